"""Sees what SQS and the job store truly do, from inside of them, and writes it into the ledger."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.ledger import Arrival, Ledger, Receipt

from sqsjobs.job import JobId
from sqsjobs.store.base import JobRecord
from sqsjobs.store.memory import MemoryStore
from sqsjobs.transport.memory_sqs import MemorySQS
from sqsjobs.transport.model import SqsModel
from sqsjobs.transport.model.faults import Fault
from sqsjobs.transport.model.handles import write_handle
from sqsjobs.transport.model.messages import Message, NewMessage
from sqsjobs.transport.model.queue import Queue

__all__ = ["watch_sqs", "watch_store"]

_IN_ORDER = 0.7
"""The share of receives from standard queues that are in the order of sending."""
_TWINS = 0.5
"""The share of duplicates that come in the same answer."""


def watch_sqs(
    sqs: MemorySQS, ledger: Ledger, sender: Callable[[], str], random: Random, *, came_twice: Callable[[str, str], None]
) -> None:
    """Note every message that comes, is given out, hidden, or goes; `sender` says whose call it is.

    `came_twice` is told of the calls, and how, that made messages come twice.

    What SQS may do and the model does not, `random` does: give messages out of order, and one twice in one answer.
    """
    with sqs.use() as model:
        _Witness(model, ledger, sender, random, came_twice)


def watch_store(store: MemoryStore, ledger: Ledger) -> None:
    """Note every write of a record."""
    shelf = store._shelf
    write = shelf.write

    delete = shelf.delete

    def deleted(job_id: JobId) -> None:
        delete(job_id)
        ledger.removed.add(job_id)

    def noted(record: JobRecord) -> None:
        write(record)
        ledger.removed.discard(record.id)
        ledger.writes[record.id].append((ledger.now, record))
        ledger.tell("store", f"{ledger.name(record.id)} {_shown(record)}", record.id)

    shelf.write, shelf.delete = noted, deleted  # type: ignore[method-assign]


def _shown(record: JobRecord) -> str:
    fields = f"epoch {record.epoch}, attempts {record.attempts}, crashes {record.crashes}"
    return f"is {record.status.value} ({fields}{', dead-lettered' if record.dead_lettered else ''})"


class _Witness:
    """Stands in front of the model's own steps."""

    def __init__(
        self,
        model: SqsModel,
        ledger: Ledger,
        sender: Callable[[], str],
        random: Random,
        came_twice: Callable[[str, str], None],
    ) -> None:
        self._model = model
        self._ledger = ledger
        self._sender = sender
        self._random = random
        self._came_twice = came_twice
        self._why = ""
        sending: Any = model.sending
        receiving: Any = model.receiving
        leases: Any = model.leases
        self._put, sending._put = sending._put, self.put
        self._receive, receiving.receive = receiving.receive, self.receive
        self._replay, receiving._replay = receiving._replay, self.replay
        self._give_out, receiving._give_out = receiving._give_out, self.give_out
        self._redrive, receiving._redrive = receiving._redrive, self.redrive
        self._delete, leases._delete = leases._delete, self.delete
        self._change, leases._change_visibility = leases._change_visibility, self.change
        self._fault = Fault()
        for queue in model.account.list_queues().queues:
            self._watch_removals(queue)
            if not queue.settings.fifo:
                self._mix_up(queue)

    def _watch_removals(self, queue: Queue) -> None:
        remove = queue.remove

        def noted(message: Message) -> None:
            remove(message)
            self._gone(message, self._why or "retention")

        queue.remove = noted  # type: ignore[method-assign]

    def _mix_up(self, queue: Queue) -> None:
        """Let a standard queue give messages out of order, now and then."""
        following = queue.next

        def mixed(limit: int) -> list[Message]:
            if self._random.random() < _IN_ORDER:
                return following(limit)
            candidates = following(3 * limit)
            self._random.shuffle(candidates)
            if len(candidates) > 1:
                self._ledger.counts["received out of order"] += 1
            return candidates[:limit]

        queue.next = mixed  # type: ignore[method-assign]

    def put(self, queue: Queue, new: NewMessage, delay: float, *rest: Any) -> Message:
        message: Message = self._put(queue, new, delay, *rest)
        ledger, job_id = self._ledger, self._ledger.job_in(new.body)
        now = ledger.now
        name = ledger.name(message.id, "m")
        arrival = Arrival(message.id, queue.name, now, self._sender(), job_id, new.group, now + delay if delay else now)
        ledger.arrivals[message.id] = arrival
        places = ledger.letters if "-dlq" in queue.name else ledger.copies
        places[job_id or message.id].append(arrival)
        due = f", visible in {delay:g} s" if delay else ""
        of = f" of {ledger.name(job_id)}" if job_id else ""
        ledger.tell("sqs", f"{name}{of} is in {queue.name}{due}", message.id, job_id)
        return message

    def receive(self, name: str, request: Any, *, share: int = 10, fault: Fault | None = None) -> Any:
        self._fault = fault or Fault()
        received = self._receive(name, request, share=share, fault=self._fault)
        if received and self._fault.duplicate:
            self._came_twice("ReceiveMessage", "duplicate")
        if self._fault.duplicate and 0 < len(received) < min(share, request.limit) and self._random.random() < _TWINS:
            self._ledger.counts["received twice in one answer"] += 1
            rest = min(share, request.limit) - len(received)
            return [*received, *self._receive(name, request, share=rest, fault=self._fault)]
        return received

    def give_out(self, queue: Queue, message: Message, visibility: float) -> None:
        self._give_out(queue, message, visibility)
        ledger = self._ledger
        receipt = Receipt(message.id, message.receive_count, queue.name, ledger.now, message.due)
        if self._fault.duplicate:
            receipt.faults.append("duplicate")
        ledger.receipts[message.id].append(receipt)
        ledger.by_handle[write_handle(queue.id, message.id, message.receive_count)] = receipt
        text = f"{ledger.message_of(receipt)} is given out for {visibility:g} s"
        ledger.tell("sqs", text + (", and stays visible" if self._fault.duplicate else ""), *self._about(message.id))

    def replay(self, queue: Queue, attempt_id: str, visibility: float) -> Any:
        receipts = self._replay(queue, attempt_id, visibility)
        for receipt in receipts:
            newest = self._ledger.receipts[receipt.message_id][-1]
            newest.due = self._ledger.now + visibility
            text = f"{self._ledger.message_of(newest)} is given out once more for {visibility:g} s"
            self._ledger.tell("sqs", text, *self._about(receipt.message_id))
        return receipts

    def redrive(self, queue: Queue, message: Message) -> bool:
        self._why = "redrive"
        try:
            return bool(self._redrive(queue, message))
        finally:
            self._why = ""

    def delete(self, queue: Queue, handle: str, fault: Fault) -> None:
        receipt = self._ledger.by_handle.get(handle)
        if receipt is not None and fault.resurrect:
            receipt.faults.append("resurrect")
            if receipt.message_id in queue.messages:
                self._came_twice("DeleteMessageBatch", "resurrect")
        if receipt is not None and (newest := self._ledger.receipts[receipt.message_id][-1]) is not receipt:
            newest.faults.append("stale handle")
        self._why = "deleted"
        try:
            self._delete(queue, handle, fault)
        finally:
            self._why = ""

    def change(self, queue: Queue, handle: str, seconds: float) -> None:
        self._change(queue, handle, seconds)
        ledger = self._ledger
        receipt = ledger.by_handle[handle]
        newest = ledger.receipts[receipt.message_id][-1]
        newest.due = ledger.now + seconds
        if newest is not receipt:
            newest.faults.append("stale handle")
        text = f"{ledger.message_of(receipt)} is hidden for {seconds:g} s more"
        ledger.tell("sqs", text, *self._about(receipt.message_id))

    def _gone(self, message: Message, why: str) -> None:
        ledger = self._ledger
        arrival = ledger.arrivals[message.id]
        arrival.gone, arrival.gone_at = why, ledger.now
        ledger.tell("sqs", f"{ledger.name(message.id)} is gone: {why}", *self._about(message.id))

    def _about(self, message_id: str) -> tuple[str, str]:
        return message_id, self._ledger.arrivals[message_id].job_id
