"""One Redis server as the job store uses it: scripts in pipelines, bounded waits, errors that say what to do."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias  # Any: what Redis answers

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    DataError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from sqsjobs.batching import Batcher
from sqsjobs.errors import ConfigurationError, StoreError, StoreUnavailable
from sqsjobs.store.redis.line import RedisLine

__all__ = ["RedisClient", "Word"]

Word: TypeAlias = bytes | str | int | float
"""What a script is given."""

_PASSING: Final = (BusyLoadingError, ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
"""Answers of a server that is starting, failing over or full."""


@dataclass(frozen=True, slots=True)
class _Request:
    script: str
    key: str
    words: tuple[Word, ...]


class RedisClient:
    """Runs scripts; those that are asked for while others are under way share the next pipeline.

    Args:
        url: of the server.
        wait: seconds after which a call that got no answer fails.

    Attributes:
        place: the server without its password, for errors.

    Raises:
        ConfigurationError: if the URL makes no sense.
    """

    def __init__(self, url: str, wait: float) -> None:
        self._url = url
        self._wait = wait
        self._closing = AsyncExitStack()
        self.place = _place(_pool(url, wait))

    def clone(self) -> RedisClient:
        """Return an unopened client of the same server."""
        return RedisClient(self._url, self._wait)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            self.redis = Redis(connection_pool=_pool(self._url, self._wait))
            opening.push_async_callback(self.redis.connection_pool.aclose)
            self._requests = await opening.enter_async_context(
                Batcher[_Request, Any](self._carry_out, max_items=100, concurrency=4)
            )
            self._closing = opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._closing.aclose()

    async def info(self, section: str) -> dict[str, Any]:
        """Return what the server says of itself."""
        async with self._answered():
            return dict(await self.redis.info(section))

    async def hash(self, key: str) -> dict[str, bytes]:
        """Return the fields of a hash."""
        async with self._answered():
            fields: Any = await self.redis.hgetall(key)
        return {name.decode(): value for name, value in fields.items()}

    async def run(self, script: str, key: str, *words: Word) -> Any:
        """Run `script` with one key and these arguments, and return its answer; it must be safe to be run again.

        Raises:
            StoreUnavailable: if no answer came in time; whether it was run is then unknown.
            ConfigurationError: if the server refuses the user.
            StoreError: if the server cannot run it.
        """
        answer = await self._requests.submit(_Request(script, key, words))
        if isinstance(answer, Exception):
            raise self._explained(answer) from answer
        return answer

    @asynccontextmanager
    async def line(self, channel: str) -> AsyncIterator[RedisLine]:
        """Open a connection of its own on which the server tells what is published under `channel` and an id.

        Raises:
            StoreUnavailable: if there is none to be had.
        """
        redis = Redis(connection_pool=_pool(self._url, self._wait, retries=0))
        line = RedisLine(redis.pubsub(), channel, self._wait)
        try:
            await line.open()
            yield line
        finally:
            await line.close()
            await redis.connection_pool.aclose()

    async def _carry_out(self, requests: list[_Request]) -> list[Any]:
        async with self._answered():
            answers = await self._pipelined(requests)
            if any(isinstance(answer, NoScriptError) for answer in answers):
                for script in {request.script for request in requests}:  # a new server, or one that was restarted
                    await self.redis.script_load(script)
                answers = await self._pipelined(requests)
        return answers

    async def _pipelined(self, requests: list[_Request]) -> list[Any]:
        async with self.redis.pipeline(transaction=False) as pipeline:
            for request in requests:
                pipeline.evalsha(_digest(request.script), 1, request.key, *request.words)
            return list(await pipeline.execute(raise_on_error=False))

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._wait):
                yield
        except (RedisError, OSError) as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> Exception:
        match error:
            case AuthenticationError() | AuthorizationError() | NoPermissionError():
                return ConfigurationError(f"the job store at {self.place} refuses this user: {error}")
            case ResponseError() | DataError() if not isinstance(error, _PASSING):
                return StoreError(f"the job store at {self.place} failed: {error}")
        return StoreUnavailable(
            f"the job store at {self.place} did not answer ({str(error) or type(error).__name__}): "
            f"is the server up, and can it be reached from here?"
        )


def _pool(url: str, wait: float, retries: int = 3) -> BlockingConnectionPool:
    try:
        return BlockingConnectionPool.from_url(
            url,
            max_connections=8,
            timeout=wait,
            socket_timeout=wait,
            socket_connect_timeout=wait,
            health_check_interval=30,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), retries),
        )
    except ValueError as error:
        raise ConfigurationError(f"the URL of the job store in Redis makes no sense: {error}") from None


def _place(pool: BlockingConnectionPool) -> str:
    options = pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db', 0)}"


def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
