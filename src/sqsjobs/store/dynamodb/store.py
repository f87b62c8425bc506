"""A job store in DynamoDB: the one for production on AWS, with no server to run."""

from __future__ import annotations

from typing import Self

from sqsjobs.clock import Clock
from sqsjobs.store.dynamodb.client import DynamoClient
from sqsjobs.store.dynamodb.ledger import DynamoLedger
from sqsjobs.store.dynamodb.table import provide_table
from sqsjobs.store.optimistic import OptimisticStore
from sqsjobs.transport.address import SqsEndpoint

__all__ = ["DynamoStore"]


class DynamoStore(OptimisticStore[DynamoLedger]):
    """Records in one table, made by `provision`; DynamoDB drops them once they have expired.

    Args:
        table: its name.
        region: of the table; None for what AWS_REGION or the profile says.
        endpoint_url: of another server than AWS's (or set AWS_ENDPOINT_URL_DYNAMODB).
        wait: seconds after which a call that got no good answer raises `StoreUnavailable`.
        clock: whose dates say what has expired.

    Raises:
        ConfigurationError: at once if the name or the URL cannot be; when the store is opened, if there is no such
            table, or the credentials may not use it.
    """

    largest_result = 300_000
    """Bytes of the largest result that fits beside all else into an item of 400 KB; see `store.bounds`."""

    def __init__(
        self,
        table: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        wait: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        endpoint = SqsEndpoint(region=region, endpoint_url=endpoint_url)
        super().__init__(DynamoLedger(DynamoClient(endpoint, table, wait), table), clock)

    def __repr__(self) -> str:
        return f"<DynamoStore {self._ledger}>"

    async def provision(self, *, dry_run: bool = False) -> list[str]:
        """Do `Provisioned.provision`: the table on demand, its indexes, its time to live."""
        async with self._ledger.client.clone() as client:
            return await provide_table(client, self._ledger.table, dry_run=dry_run)

    def clone(self) -> Self:
        clone = type(self).__new__(type(self))
        OptimisticStore.__init__(clone, self._ledger.clone(), self._clock)
        return clone
