"""A machine's ways to the services: `SqsLine` is its transport to SQS, `StoreLine` its way to the job store."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from email.utils import formatdate
from typing import Any, Self, TypeVar

from tests.simulation.ledger import Ledger, Receipt
from tests.simulation.loop import Machine
from tests.simulation.network import CONTROL_TIMEOUT, Call, Network
from tests.simulation.storm import LOST_ANSWER, LOST_REQUEST, Storm

from sqsjobs.errors import StoreUnavailable, TransportError, TransportUnavailable
from sqsjobs.job import JobId, Progress
from sqsjobs.store.base import ClaimRequest, ClaimResult, JobRecord, RecordChange
from sqsjobs.store.listing import JobQuery, Page
from sqsjobs.store.memory import MemoryStore
from sqsjobs.transport.base import (
    Delivery,
    Done,
    EntryFailed,
    EntryResult,
    NotSent,
    OutgoingMessage,
    QueueDescription,
    SendResult,
)
from sqsjobs.transport.memory import MemoryTransport

__all__ = ["SqsLine", "StoreLine"]

T = TypeVar("T")

_LOST = {LOST_REQUEST, LOST_ANSWER}
_CROSSED = 0.02
"""Seconds by which a heartbeat and the confirmation of a delete may cross."""


class SqsLine:
    """A machine's transport to SQS."""

    def __init__(self, machine: Machine, network: Network, sqs: MemoryTransport, ledger: Ledger) -> None:
        self._machine = machine
        self._network = network
        self._sqs = sqs
        self._ledger = ledger

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None: ...

    def clone(self) -> SqsLine:
        return self

    async def send(self, queue: str, messages: Sequence[OutgoingMessage]) -> list[SendResult]:
        call = self._call("SendMessageBatch", len(messages))
        return await self._ask(
            call,
            queue,
            lambda: self._sqs.send(queue, messages),
            [self._ledger.job_in(message.body) for message in messages],
        )

    async def receive(
        self, queue: str, *, limit: int, wait: float, visibility: float, attempt_id: str | None = None
    ) -> list[Delivery]:
        call = self._call("ReceiveMessage")
        deliveries = await self._ask(
            call,
            queue,
            lambda: self._sqs.receive(queue, limit=limit, wait=wait, visibility=visibility, attempt_id=attempt_id),
            within=wait + CONTROL_TIMEOUT,
        )
        for delivery in deliveries:
            self._delivered(delivery, call, visibility)
        return deliveries

    async def delete(self, queue: str, receipt_handles: Sequence[str]) -> list[EntryResult]:
        call = self._call("DeleteMessageBatch", len(receipt_handles))
        receipts = [self._ledger.by_handle[handle] for handle in receipt_handles]
        about = [receipt.message_id for receipt in receipts]
        try:
            results = await self._ask(call, queue, lambda: self._sqs.delete(queue, receipt_handles), about)
        except TransportError:
            self._blame(receipts, "delete failed")
            raise
        for receipt, result in zip(receipts, results, strict=True):
            if isinstance(result, Done):
                self._end(receipt, "deleted")
            else:
                receipt.faults.append("delete failed")
        return results

    async def change_visibility(self, queue: str, changes: Sequence[tuple[str, float]]) -> list[EntryResult]:
        call = self._call("ChangeMessageVisibilityBatch", len(changes))
        receipts = [self._ledger.by_handle[handle] for handle, _ in changes]
        for receipt, (_, seconds) in zip(receipts, changes, strict=True):
            self._check_right(receipt, seconds)
            receipt.changing += 1
        about = [receipt.message_id for receipt in receipts]
        try:
            results = await self._ask(call, queue, lambda: self._sqs.change_visibility(queue, changes), about)
        except BaseException:  # the heart does not wait as long as the transport does
            self._blame(receipts, "change failed")
            raise
        finally:
            for receipt in receipts:
                receipt.changing -= 1
        for receipt, (_, seconds), result in zip(receipts, changes, results, strict=True):
            self._changed(receipt, seconds, result, call)
        return results

    async def describe(self, queue: str) -> QueueDescription:
        call = self._call("GetQueueAttributes")
        return await self._ask(call, queue, lambda: self._sqs.describe(queue))

    def _call(self, operation: str, entries: int = 0) -> Call:
        self._ledger.counts["calls"] += 1
        return Call(self._machine, operation, self._ledger.now, entries)

    async def _ask(
        self,
        call: Call,
        queue: str,
        act: Callable[[], Awaitable[list[T] | Any]],
        about: Sequence[str] = (),
        *,
        within: float = CONTROL_TIMEOUT,
    ) -> Any:
        silence = TransportUnavailable(f"no answer came to {call.operation}", operation=call.operation, queue=queue)
        asked_at = self._machine.server_time.asked()
        try:
            answer = await self._network.ask(call, act, within, silence)
        except TransportError as problem:
            self._ledger.note_fault(self._machine.name)
            self._trace(call, about, problem.code or "no answer")
            raise
        if asked_at is not None and call.date is not None:
            self._machine.server_time.heard(formatdate(call.date, usegmt=True), asked_at)
        if call.faults or call.operation != "ReceiveMessage":
            if call.faults:
                self._ledger.note_fault(self._machine.name)
            failed = [it for it in answer if isinstance(it, EntryFailed | NotSent)] if isinstance(answer, list) else []
            self._trace(call, about, f"{len(failed)} entries failed" if failed else "done")
        return answer

    def _trace(self, call: Call, about: Sequence[str], answer: str) -> None:
        ledger = self._ledger
        names = ", ".join(ledger.name(thing) for thing in about)
        faults = f" ({', '.join(call.faults)})" if call.faults else ""
        ledger.tell(self._machine.name, f"{call.operation} {names}: {answer}{faults}", *about)

    # What the machine may believe from now on

    def _delivered(self, delivery: Delivery, call: Call, visibility: float) -> None:
        ledger = self._ledger
        receipt = ledger.by_handle[delivery.receipt_handle]
        receipt.holder, receipt.asked_at = self._machine.name, call.sent_at
        receipt.extend(ledger.now, call.sent_at + visibility)
        job_id = ledger.arrivals[receipt.message_id].job_id
        ledger.tell(self._machine.name, f"gets {ledger.message_of(receipt)}", receipt.message_id, job_id)

    def _check_right(self, receipt: Receipt, seconds: float) -> None:
        """I6, and R19: whoever changes a visibility holds the message, and does nothing else to it meanwhile."""
        ledger, now = self._ledger, self._ledger.now
        name = ledger.message_of(receipt)
        about = (receipt.message_id, ledger.arrivals[receipt.message_id].job_id)
        if receipt.over and now > receipt.over_at + _CROSSED:
            ledger.break_("I6", f"{self._machine.name} hides {name} for {seconds:g} s after: {receipt.over}", *about)
        elif now > receipt.deadline + 0.05:
            late = now - receipt.deadline
            ledger.break_("I6", f"{self._machine.name} hides {name} {late:.2f} s after its lease's deadline", *about)
        if receipt.changing:
            ledger.break_("R19", f"{self._machine.name} changes {name} while it is changing it already", *about)

    def _changed(self, receipt: Receipt, seconds: float, result: EntryResult, call: Call) -> None:
        receipt.changed_at = self._ledger.now
        if isinstance(result, Done):
            receipt.extend(self._ledger.now, call.sent_at + seconds)
        elif result.lease_over:
            self._end(receipt, f"SQS said {result.code}")
        else:
            receipt.faults.append("change failed")

    def _end(self, receipt: Receipt, why: str) -> None:
        if not receipt.over:
            receipt.over, receipt.over_at = why, self._ledger.now

    def _blame(self, receipts: Sequence[Receipt], fault: str) -> None:
        for receipt in receipts:
            receipt.faults.append(fault)


class StoreLine:
    """A machine's way to the job store."""

    def __init__(self, machine: Machine, network: Network, store: MemoryStore, storm: Storm, ledger: Ledger) -> None:
        self._machine = machine
        self._network = network
        self._store = store
        self._storm = storm
        self._ledger = ledger

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None: ...

    def clone(self) -> StoreLine:
        return self

    async def insert(self, record: JobRecord) -> JobRecord | None:
        return await self._ask("insert", record.id, lambda: self._store.insert(record))

    async def get(self, job_id: JobId) -> JobRecord | None:
        return await self._ask("get", job_id, lambda: self._store.get(job_id))

    async def records(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobRecord]:
        return await self._ask("records", "", lambda: self._store.records(job_ids))

    async def page(self, query: JobQuery) -> Page[JobRecord]:
        return await self._ask("page", "", lambda: self._store.page(query))

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        return await self._ask("claim", request.job_id, lambda: self._store.claim(request))

    async def change(self, job_id: JobId, epoch: int, change: RecordChange) -> bool:
        return await self._ask("change", job_id, lambda: self._store.change(job_id, epoch, change))

    async def extend(self, job_id: JobId, epoch: int, lease_until: float) -> bool:
        return await self._ask("extend", job_id, lambda: self._store.extend(job_id, epoch, lease_until))

    async def report(self, job_id: JobId, epoch: int, progress: Progress) -> bool:
        return await self._ask("report", job_id, lambda: self._store.report(job_id, epoch, progress))

    async def cancel(self, job_id: JobId, now: float) -> JobRecord | None:
        return await self._ask("cancel", job_id, lambda: self._store.cancel(job_id, now))

    async def reopen(self, job_id: JobId, now: float, epoch: int | None = None) -> int | None:
        return await self._ask("reopen", job_id, lambda: self._store.reopen(job_id, now, epoch))

    async def put_back(self, before: JobRecord) -> bool:
        return await self._ask("put_back", before.id, lambda: self._store.put_back(before))

    async def remove(self, job_id: JobId) -> None:
        await self._ask("remove", job_id, lambda: self._store.remove(job_id))

    async def purge(self, now: float) -> int:
        return await self._ask("purge", "", lambda: self._store.purge(now))

    async def _ask(self, operation: str, job_id: str, act: Callable[[], Awaitable[T]]) -> T:
        ledger = self._ledger
        ledger.counts["store calls"] += 1
        call = Call(self._machine, operation, ledger.now)
        silence = StoreUnavailable(f"the store did not answer to {operation} in time")
        try:
            act_there = functools.partial(self._carry_out, operation, job_id, act)
            answer = await self._network.ask(call, act_there, CONTROL_TIMEOUT, silence)
        except StoreUnavailable as problem:
            if not _LOST.intersection(call.faults):
                ledger.store_faults[job_id].append((call.sent_at, operation))
            ledger.note_fault(self._machine.name)
            ledger.tell(self._machine.name, f"store.{operation} {ledger.name(job_id)}: {problem}", job_id)
            raise
        if operation not in ("extend", "records"):  # which heartbeats ask for again and again
            ledger.tell(self._machine.name, f"store.{operation} {ledger.name(job_id)}: {_shown(answer)}", job_id)
        return answer

    async def _carry_out(self, operation: str, job_id: str, act: Callable[[], Awaitable[T]]) -> T:
        fault = self._storm.store_fault(operation)
        if fault:
            self._ledger.store_faults[job_id].append((self._ledger.now, operation))
            self._ledger.note_fault(self._machine.name)  # now: the worker may end before the silence is noticed
        if fault == LOST_REQUEST:
            raise StoreUnavailable("the store is away")
        answer = await act()
        if fault == LOST_ANSWER:
            raise StoreUnavailable("the store's answer was lost")
        return answer


def _shown(answer: object) -> str:
    return f"{answer.status.value} record" if isinstance(answer, JobRecord) else str(answer)
