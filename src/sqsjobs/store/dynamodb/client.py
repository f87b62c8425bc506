"""DynamoDB as the job store uses it: bounded calls, repeated where that may help, errors that say what to do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, Self, TypeAlias  # Any: botocore has no types

from sqsjobs.errors import ConfigurationError, StoreError, StoreUnavailable
from sqsjobs.transport.address import SqsEndpoint

__all__ = ["DynamoClient", "Item", "Refused"]

Item: TypeAlias = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB writes it: attributes with their types."""

_CONNECTIONS: Final = 50
_PAUSE: Final = 0.05
"""Seconds before the second try, at most; doubled for each of the next."""

_REFUSALS: Final = frozenset(
    {"ConditionalCheckFailedException", "TransactionCanceledException", "TransactionConflictException"}
)
_PASSING: Final = frozenset(
    {
        "InternalServerError",
        "ItemCollectionSizeLimitExceededException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
_DENIED: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


class Refused(Exception):
    """Raised where a condition did not hold; `item` is what is there, if DynamoDB says so."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class DynamoClient:
    """Calls to one region.

    Args:
        endpoint: the region, and the URL of another server than AWS's.
        table: for errors.
        wait: seconds after which a call that got no good answer, however often it was repeated, fails.
    """

    def __init__(self, endpoint: SqsEndpoint, table: str, wait: float) -> None:
        self._endpoint = endpoint
        self._table = table
        self._wait = wait
        self._closing = AsyncExitStack()

    def clone(self) -> DynamoClient:
        """Return an unopened client of the same table."""
        return DynamoClient(self._endpoint, self._table, self._wait)

    async def __aenter__(self) -> Self:
        from sqsjobs.transport import aws_clients  # noqa: PLC0415 - aioboto3 takes most of a second

        self._failures, self._code = aws_clients.FAILURES, aws_clients.error_code
        async with AsyncExitStack() as opening:
            self._client = await opening.enter_async_context(
                aws_clients.open_client("dynamodb", self._endpoint, connections=_CONNECTIONS, timeout=self._wait)
            )
            self._closing = opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._closing.aclose()

    async def call(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Make one request, again where it was throttled or got no answer; it must be safe to be made again.

        Raises:
            Refused: if its condition did not hold.
            StoreUnavailable: if no good answer came in time; whether it was done is then unknown.
            ConfigurationError: if these credentials may not, or there is no such table.
            StoreError: if DynamoDB finds the request itself wrong.
        """
        pause, deadline = _PAUSE, asyncio.get_running_loop().time() + self._wait
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    answer: Mapping[str, Any] = await getattr(self._client, operation)(**parameters)
                    return answer
            except self._failures as error:
                problem = self._problem(error, operation)
                if not isinstance(problem, StoreUnavailable) or asyncio.get_running_loop().time() + pause > deadline:
                    raise problem from error
            await asyncio.sleep(random.uniform(0, pause))
            pause *= 2

    async def call_unless_absent(self, operation: str, **parameters: Any) -> Mapping[str, Any] | None:
        """Make one request, see `call`; return None where there is no such table."""
        try:
            return await self.call(operation, **parameters)
        except ConfigurationError as error:
            if self._code(error.__cause__ or error)[0] != "ResourceNotFoundException":
                raise
            return None

    def _problem(self, error: Exception, operation: str) -> Exception:
        code, status = self._code(error)
        if code in _REFUSALS:
            return Refused(error.response.get("Item"))  # type: ignore[attr-defined]  # a ClientError, having a code
        if code in _DENIED:
            return ConfigurationError(f"{operation} on table {self._table} is refused to these credentials: {error}")
        if code == "ResourceNotFoundException":
            return ConfigurationError(
                f"there is no table {self._table} in this region and account: run `sqsjobs store apply`, "
                f"or correct the name, the region or the credentials"
            )
        if code and code not in _PASSING and status < 500:
            return StoreError(f"{operation} on table {self._table} failed: {error}")
        return StoreUnavailable(
            f"DynamoDB did not answer {operation} on table {self._table}: {error or 'no answer in time'}"
        )
