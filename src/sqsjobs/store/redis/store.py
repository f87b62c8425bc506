"""A job store in Redis 7 or Valkey: for many machines, and for those who want to hear at once that a job has ended."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Self

from sqsjobs.clock import Clock
from sqsjobs.store.ear import open_ear
from sqsjobs.store.optimistic import OptimisticStore
from sqsjobs.store.push import Listening, Wake
from sqsjobs.store.redis.client import RedisClient
from sqsjobs.store.redis.ledger import RedisLedger

__all__ = ["RedisStore"]


class RedisStore(OptimisticStore[RedisLedger]):
    """Records in Redis, gone by themselves once they have expired; needs ``sqsjobs[redis]``.

    Args:
        url: ``redis://[user:password@]host[:port][/database]``, or ``rediss://`` for TLS; what redis-py takes in a
            query, it takes here (``?ssl_ca_certs=…``).
        namespace: what the names of all its keys begin with.
        allow_eviction: use a server that may evict records when its memory is full; a job of which the record was
            evicted begins anew, so it may be completed twice.
        wait: seconds after which a call that got no answer raises `StoreUnavailable`.
        clock: whose dates say what has expired.

    Raises:
        ConfigurationError: at once if the URL makes no sense or redis-py is not installed; when the store is opened, if
            the server refuses the user or may evict records.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "sqsjobs",
        allow_eviction: bool = False,
        wait: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        ledger = RedisLedger(RedisClient(url, wait), namespace, allow_eviction=allow_eviction)
        super().__init__(ledger, clock)

    def __repr__(self) -> str:
        return f"<RedisStore {self._ledger}>"

    def listening(self, wake: Wake) -> AbstractAsyncContextManager[Listening]:
        """Do `Pushing.listening`: over one connection, by a channel for each job."""
        self._residence.check()
        return open_ear(self._ledger.line, wake)

    def clone(self) -> Self:
        clone = type(self).__new__(type(self))
        OptimisticStore.__init__(clone, self._ledger.clone(), self._clock)
        return clone
