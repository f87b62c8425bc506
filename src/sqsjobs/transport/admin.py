"""Queues from the outside: create them, bring them to what is wanted, list, count and empty them.

For ``sqsjobs queues``, with rights (CreateQueue, SetQueueAttributes, ListQueues) that producers and workers never
need and should not have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

from sqsjobs.errors import ConfigurationError, QueueNotFound
from sqsjobs.transport.address import SqsEndpoint
from sqsjobs.transport.base import QueueDescription, SqsCalled
from sqsjobs.transport.provision import (
    Attributes,
    Change,
    CreateQueue,
    QueueSpec,
    SettingChange,
    attribute_set_by,
    plan_queue,
    queues_mentioned,
)
from sqsjobs.transport.sqs import queue_description
from sqsjobs.transport.sqs_options import Timeouts

if TYPE_CHECKING:
    from sqsjobs.transport.sqs_client import Answer, SqsClient

__all__ = ["QueueAdmin"]

CONNECTIONS: Final = 8
"""As many requests are made at once."""
SETTLING: Final = 1.0
"""Seconds after which a new queue can be used (SQS API reference, CreateQueue)."""
PAGE: Final = 1000
"""Queues in one answer of ListQueues, which is the most."""


class QueueAdmin:
    """Administration of queues. Arguments and errors are those of `SqsTransport`.

    Names are those of the app; the prefix is put before them here. The names in a `Change` are those at SQS.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        queue_prefix: str = "",
        session_factory: Callable[[], Any] | None = None,
        allow_http: bool = False,
        observer: Callable[[SqsCalled], None] | None = None,
    ) -> None:
        self._endpoint = SqsEndpoint(region, endpoint_url, session_factory, allow_http)
        self._prefix = queue_prefix
        self._observer = observer
        self._client: SqsClient | None = None
        self._turns = asyncio.Semaphore(CONNECTIONS)  # waiting here does not count against a call's deadline
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        from sqsjobs.transport.sqs_client import open_session  # noqa: PLC0415 - it imports aioboto3

        session = await open_session(self._endpoint)
        self._endpoint = session.endpoint
        self._client = await self._closing.enter_async_context(session.client(CONNECTIONS, Timeouts(), self._observer))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._client = None
        await self._closing.aclose()

    async def plan(self, specs: Sequence[QueueSpec]) -> list[Change]:
        """Return what `apply` has to do; nothing, where the queues are as they should be.

        Raises:
            ConfigurationError: if the name of a spec is no queue name.
            TransportError: if a queue cannot be read.
        """
        wanted = [replace(spec, name=self._name_at_sqs(spec.name)) for spec in specs]
        found = await asyncio.gather(*(self._find(spec.name) for spec in wanted))
        dead_letters = await asyncio.gather(*(self._find(spec.dead_letter_queue) for spec in wanted))
        changes = [change for state in zip(wanted, found, dead_letters, strict=True) for change in plan_queue(*state)]
        return sorted(changes, key=lambda change: not isinstance(change, CreateQueue))

    async def apply(self, changes: Sequence[Change]) -> None:
        """Carry out what `plan` returned, in order.

        Raises:
            TransportError: if SQS refused a change; those before it are done, those after it are not.
        """
        creations = [change for change in changes if isinstance(change, CreateQueue)]
        for creation in creations:
            await self._create(creation)
        if creations and not self._endpoint.local:
            await asyncio.sleep(SETTLING)
        for change in changes:
            if not isinstance(change, CreateQueue):
                await self._set(change)

    async def list_queues(self, prefix: str = "") -> list[str]:
        """Return the names, in order and without the queue prefix, of the queues that begin with it and `prefix`."""
        beginning = {"QueueNamePrefix": self._prefix + prefix} if self._prefix + prefix else {}
        urls: list[str] = []
        page: dict[str, Any] = {"MaxResults": PAGE}
        while page:
            answer = await self._call("ListQueues", f"{self._prefix}{prefix}*", **beginning, **page)
            urls += answer.get("QueueUrls", ())
            token = answer.get("NextToken")
            page = {"MaxResults": PAGE, "NextToken": token} if token else {}
        return sorted(url.rpartition("/")[2].removeprefix(self._prefix) for url in urls)

    async def stats(self, queues: Sequence[str]) -> list[QueueDescription]:
        """Return what each queue's attributes say, in order.

        Raises:
            QueueNotFound: if there is no such queue.
        """
        return await asyncio.gather(*(self._describe(queue) for queue in queues))

    async def purge(self, queue: str) -> None:
        """Delete all messages of a queue for good, hidden ones too; it takes SQS up to 60 seconds.

        Raises:
            QueueNotFound: if there is no such queue.
            Throttled: if it was purged less than 60 seconds ago (SQS API reference, PurgeQueue).
        """
        address = self._endpoint.address(queue, prefix=self._prefix)
        await self._call("PurgeQueue", address.name, QueueUrl=address.url or await self._url(address.name))

    async def _describe(self, queue: str) -> QueueDescription:
        address = self._endpoint.address(queue, prefix=self._prefix)
        url = address.url or await self._url(address.name)
        return queue_description(queue, url, await self._attributes(address.name, url))

    async def _find(self, name: str) -> Attributes | None:
        try:
            return await self._attributes(name, await self._url(name))
        except QueueNotFound:
            return None

    async def _create(self, creation: CreateQueue) -> None:
        attributes = dict(creation.attributes)
        await self._call("CreateQueue", creation.queue, QueueName=creation.queue, Attributes=attributes)

    async def _set(self, change: SettingChange) -> None:
        arns = {
            name: (await self._attributes(name, await self._url(name)))["QueueArn"] for name in queues_mentioned(change)
        }
        attribute, value = attribute_set_by(change, arns)
        url = await self._url(change.queue)
        await self._call("SetQueueAttributes", change.queue, QueueUrl=url, Attributes={attribute: value})

    async def _url(self, name: str) -> str:
        return str((await self._call("GetQueueUrl", name, QueueName=name))["QueueUrl"])

    async def _attributes(self, name: str, url: str) -> Attributes:
        answer = await self._call("GetQueueAttributes", name, QueueUrl=url, AttributeNames=["All"])
        return dict(answer["Attributes"])

    async def _call(self, operation: str, queue: str, **parameters: Any) -> Answer:
        if self._client is None:
            raise ConfigurationError("this queue administration is not open: use it inside `async with`")
        async with self._turns:
            return await self._client.call(operation, queue, **parameters)

    def _name_at_sqs(self, queue: str) -> str:
        address = self._endpoint.address(queue, prefix=self._prefix)
        if address.url is not None:
            raise ConfigurationError(f"queues are created by name, and {queue} is a URL")
        return address.name
