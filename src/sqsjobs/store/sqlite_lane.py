"""A thread that owns a `Table` and does what coroutines ask of it, all that waits together in one transaction."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Self, TypeVar

from sqsjobs.errors import StoreUnavailable
from sqsjobs.store.sqlite_table import Table

__all__ = ["Lane"]

T = TypeVar("T")

_LARGEST_BATCH = 200
"""Requests in one transaction at most: other processes wait for its end, some 10 ms."""


class Lane:
    """Runs operations on a table in a thread of its own.

    A commit costs a write to the disk however much it carries, so requests that come while one is under way
    share the next (group commit). Each caller is answered after the commit that carries its request.

    Args:
        name: of the thread.
        open_table: makes the table, in the thread.
        wait: seconds that a caller waits for its answer.
    """

    def __init__(self, name: str, open_table: Callable[[], Table], *, wait: float) -> None:
        self._open_table = open_table
        self._wait = wait
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()  # None: no more will come
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        # A daemon: a store that nobody closed does not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        try:
            await self._opened
        except asyncio.CancelledError:
            self._requests.put(None)  # the thread closes what it opens, and ends
            raise
        except Exception:
            self._thread.join()  # it has told why, and ends
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Do what has been asked, close the table, and end the thread; a thread that is stuck in the disk is left."""
        self._requests.put(None)
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * self._wait):
                await self._closed
            self._thread.join()

    async def run(self, operation: Callable[[Table], T]) -> T:
        """Do `operation` in the thread and return its answer once it is committed.

        A caller that is cancelled, or waits too long, leaves its request behind; it is dropped if it has not begun.

        Raises:
            StoreUnavailable: if no answer came in time; whether it was done is then unknown.
        """
        answer: asyncio.Future[T] = self._loop.create_future()
        self._requests.put(_Request(operation, answer))
        try:
            async with asyncio.timeout(self._wait):
                return await answer
        except TimeoutError:
            raise StoreUnavailable(
                f"the job store did not answer within {self._wait:g} s: it is locked, or its disk is stalled"
            ) from None

    def _work(self) -> None:
        try:
            table = self._open_table()
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who opens the store is told
            return self._tell(partial(_resolve, self._opened, error=error))
        self._tell(partial(_resolve, self._opened))
        for batch in self._batches():
            _carry_out(batch, table)
            self._tell(partial(_reply, batch))
        table.close()
        return self._tell(partial(_resolve, self._closed))

    def _batches(self) -> Iterator[list[_Request]]:
        while (request := self._requests.get()) is not None:
            batch = [request]
            while len(batch) < _LARGEST_BATCH and not self._requests.empty():
                if (request := self._requests.get()) is None:
                    yield batch
                    return
                batch.append(request)
            yield batch

    def _tell(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits for an answer any more
            self._loop.call_soon_threadsafe(callback)


class _Request:
    """An operation, the future its caller waits on, and, once it is done, what that one is told."""

    __slots__ = ("_future", "_operation", "reply")

    def __init__(self, operation: Callable[[Table], object], future: asyncio.Future[Any]) -> None:
        self._operation = operation
        self._future = future
        self.reply: Callable[[], None] = partial(_resolve, future)

    def carry_out(self, table: Table) -> None:
        """Do the operation, unless its caller is gone; raise only if the others of the transaction failed with it."""
        if self._future.cancelled():
            return
        try:
            value = self._operation(table)
        except Exception as error:
            if not table.in_transaction:
                raise
            self.fail(table.explained(error))
        else:
            self.reply = partial(_resolve, self._future, value)

    def fail(self, error: Exception) -> None:
        """Have the caller told about `error`."""
        self.reply = partial(_resolve, self._future, error=error)


def _carry_out(batch: list[_Request], table: Table) -> None:
    try:
        with table.transaction():
            for request in batch:
                request.carry_out(table)
    except Exception as error:  # noqa: BLE001 - every caller is told, and the thread goes on
        for request in batch:
            request.fail(table.explained(error))


def _reply(batch: list[_Request]) -> None:
    for request in batch:
        request.reply()


def _resolve(future: asyncio.Future[Any], value: object = None, *, error: Exception | None = None) -> None:
    if future.done():
        return  # its caller was cancelled, or has waited too long
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
