"""The one batcher: gathers single items into batches for sends, deletes and visibility changes.

Every item has its own confirmation or error, and nobody waits for company when nothing else is going on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import inf
from typing import Generic, Self, TypeVar

import msgspec

__all__ = ["Batcher", "first_batch"]

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output


class Batcher(Generic[I, O]):
    """Gathers items that are submitted one by one and flushes them in batches.

    With `linger` 0, what is submitted in the same turn of the event loop goes together, at once while fewer
    than `concurrency` flushes are under way; otherwise it gathers until one ends. With a `linger`, a batch goes
    at the first of: full, as old as `linger`, or joined by an urgent item.

    Enter it, or `open` it, on the loop where it is used. Leaving flushes what waits, and ends when all flushes have ended.

    Args:
        flush: carries a batch out; one result per item, in order. What it raises, every item of the batch gets.
        max_items: the most items of a batch.
        max_bytes: the most bytes of a batch, by `size`; a single larger item goes alone.
        size: the bytes of an item; 0 each, if there is none.
        linger: seconds a batch waits for company.
        concurrency: how many flushes run at once.
    """

    def __init__(
        self,
        flush: Callable[[list[I]], Awaitable[Sequence[O]]],
        *,
        max_items: int = 10,
        max_bytes: int | None = None,
        size: Callable[[I], int] | None = None,
        linger: float = 0.0,
        concurrency: int = 8,
    ) -> None:
        self._flush = flush
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._size = size
        self._linger = linger
        self._concurrency = concurrency
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[_Entry[I, O]] = deque()
        self._waiting_bytes = 0
        self._hurried = False
        self._timer: asyncio.TimerHandle | None = None
        self._next: asyncio.Task[None] | None = None
        self._flushes: set[asyncio.Task[None]] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Batcher: {len(self._waiting)} waiting, {len(self._flushes)} flushes under way>"

    def open(self) -> Self:
        """Take items from now on, on the running loop, until `aclose`."""
        self._loop = asyncio.get_running_loop()
        return self

    async def __aenter__(self) -> Self:
        return self.open()

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Take no more, flush what waits, and return when all flushes have ended."""
        self._closed = True
        try:
            self._start_due()
            while self._flushes:
                await asyncio.wait(self._flushes)
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Cancel what is left; only a cancelled exit leaves anything."""
        for entry in self._waiting:
            entry.future.cancel()
        self._waiting.clear()
        for task in self._flushes:
            task.cancel()

    async def submit(self, item: I, *, urgent: bool = False) -> O:
        """Put `item` into a batch and return its result; a caller who is cancelled first takes only it back."""
        return await self.submit_nowait(item, urgent=urgent)

    def submit_nowait(self, item: I, *, urgent: bool = False) -> asyncio.Future[O]:
        """Put `item` into a batch; the future has its result. Cancel it before the flush, and it is left out.

        Raises:
            RuntimeError: before it is opened, and after it is closed.
        """
        if self._loop is None or self._closed:
            raise RuntimeError("the batcher is not open, or closed again: submit inside its `async with`")
        size = self._size(item) if self._size else 0
        due = self._loop.time() + self._linger if self._linger else 0.0
        entry: _Entry[I, O] = _Entry(item, size, due, self._loop.create_future())
        self._waiting.append(entry)
        self._waiting_bytes += size
        self._hurried |= urgent
        self._start_due()
        return entry.future

    def _start_due(self, *, overdue: bool = False) -> None:
        """Start a flush if what waits is ready and one is allowed; else see to it when the oldest item is due.

        The flush begins in the next turn of the loop, and takes what waits then. More is started by every flush that
        begins or ends.
        """
        if not self._waiting or self._next or len(self._flushes) >= self._concurrency:
            return
        assert self._loop is not None
        if overdue or self._ready():
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            # Not `create_task`: an eager task factory would begin it before it counts as under way.
            self._next = asyncio.Task(self._carry_out(), loop=self._loop)
            self._flushes.add(self._next)
            self._next.add_done_callback(self._flush_ended)
        elif self._timer is None:
            self._timer = self._loop.call_at(self._waiting[0].due, self._oldest_is_due)

    def _ready(self) -> bool:
        """Whether what waits should not wait for company any longer."""
        return (
            not self._linger
            or self._hurried
            or self._closed
            or len(self._waiting) >= self._max_items
            or (self._max_bytes is not None and self._waiting_bytes >= self._max_bytes)
        )

    def _oldest_is_due(self) -> None:
        self._timer = None
        self._start_due(overdue=True)

    async def _carry_out(self) -> None:
        self._next = None
        batch = self._take_batch()
        if self._waiting:
            self._start_due()
        if not batch:
            return
        try:
            results = _one_each(batch, await self._flush([entry.item for entry in batch]))
        except Exception as error:  # noqa: BLE001 - it is the callers' to handle
            _fail(batch, error)
            batch.clear()  # else the error would have itself, by the frame in its traceback
        except BaseException:
            for entry in batch:
                entry.future.cancel()
            raise
        else:
            for entry, result in zip(batch, results, strict=True):
                entry.succeed(result)

    def _take_batch(self) -> list[_Entry[I, O]]:
        """Take what fits into a batch, and return what of it is still wanted."""
        taken: Iterable[_Entry[I, O]]
        if len(self._waiting) <= self._max_items and self._waiting_bytes <= (self._max_bytes or inf):
            taken, self._waiting, self._waiting_bytes = self._waiting, deque(), 0
        else:
            count = first_batch((entry.size for entry in self._waiting), self._max_items, self._max_bytes)
            taken = [self._waiting.popleft() for _ in range(count)]
            self._waiting_bytes -= sum(entry.size for entry in taken)
        self._hurried = self._hurried and bool(self._waiting)
        return [entry for entry in taken if not entry.future.done()]

    def _flush_ended(self, task: asyncio.Task[None]) -> None:
        self._flushes.discard(task)
        if task is self._next:  # cancelled before it began
            self._next = None
        self._start_due()


def _fail(batch: Iterable[_Entry[I, O]], error: Exception) -> None:
    for entry in batch:
        entry.fail(error)


class _Entry(msgspec.Struct, Generic[I, O], eq=False):
    item: I
    size: int
    due: float
    future: asyncio.Future[O]

    def succeed(self, result: O) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


def _one_each(batch: Sequence[object], results: Sequence[O]) -> Sequence[O]:
    if len(results) != len(batch):
        raise RuntimeError(f"a flush of {len(batch)} items gave {len(results)} results")
    return results


def first_batch(sizes: Iterable[int], max_items: int, max_bytes: int | None) -> int:
    """Return how many of the items with these sizes go into the first batch: as many as fit, at least one."""
    count = total = 0
    for size in sizes:
        total += size
        if count == max_items or (count and max_bytes is not None and total > max_bytes):
            break
        count += 1
    return count
