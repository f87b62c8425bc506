"""Dead letters: read from their queue and given back, deleted, or sent to where they came from.

Reading receives the messages, so that meanwhile nobody else sees them; whatever is not deleted is made visible again
at the end. A letter is sent first and deleted then, so that an end in between leaves two and never none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from msgspec.structs import replace

from sqsjobs.annotation import ANNOTATION, Annotation
from sqsjobs.batching import first_batch
from sqsjobs.errors import InvalidEnvelope, PayloadTooLarge, RequestRejected, TransportError, UnsupportedVersion
from sqsjobs.job import Job, JobStatus, checked_job_id
from sqsjobs.sealing import Sealing
from sqsjobs.sending import message_of
from sqsjobs.store.base import JobStore
from sqsjobs.transport.base import (
    MAX_BATCH_BYTES,
    MAX_BATCH_ENTRIES,
    Delivery,
    Done,
    NotSent,
    OutgoingMessage,
    Sent,
    Transport,
    message_size,
)

__all__ = ["MOVED_BY_SQS", "Choice", "DeadLetters", "Fate", "Letter", "Place", "Redrive"]

MOVED_BY_SQS: Final = "moved-by-sqs"
"""The reason of a letter without an annotation: SQS itself moved it, after maxReceiveCount deliveries."""

_HIDDEN_FOR: Final = 120.0
"""Seconds for which letters stay hidden while they are read; after a crash of the reader they come back by then."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in a dead-letter queue.

    Attributes:
        delivery: its receipt.
        source: the queue it came from: its annotation's, if the app has that one.
        job: what it carries, or None if that is no job.
        annotation: why it is there, or None if SQS itself moved it.
        problem: why it carries no job, or empty.
    """

    delivery: Delivery
    source: str
    job: Job | None
    annotation: Annotation | None
    problem: str = ""

    @classmethod
    async def of(cls, delivery: Delivery, place: Place) -> Letter:
        """Read a delivery from the dead-letter queue `place`, as a worker would have read it in its own queue.

        An envelope without an id took that of its first message, which is the annotation's: this message is another.
        """
        annotation = _annotation(delivery)
        named = annotation.queue if annotation else ""
        source = named if named in place.queues else place.source
        try:
            job = await place.sealing.open(
                delivery.body,
                queue=source,
                message_id=_first_id(annotation) or delivery.message_id,
                group=delivery.group,
                sent_at=delivery.sent_at,
                expired=place.expired,
            )
        except (InvalidEnvelope, UnsupportedVersion) as problem:
            return cls(delivery, source, None, annotation, str(problem))
        return cls(delivery, source, job, annotation)

    @property
    def id(self) -> str:
        """The job's id, or the message's, where it carries no job."""
        return self.job.id if self.job else self.delivery.message_id

    @property
    def task(self) -> str:
        """The name of the task that the message asks for, or empty."""
        return self.job.task if self.job else self.annotation.task if self.annotation else ""

    @property
    def reason(self) -> str:
        """Why it is here."""
        return self.annotation.reason if self.annotation else MOVED_BY_SQS


def _first_id(annotation: Annotation | None) -> str:
    """The id that the job had where it failed, or empty; anybody may have written the annotation."""
    try:
        return checked_job_id(annotation.job_id) if annotation else ""
    except ValueError:
        return ""


def _annotation(delivery: Delivery) -> Annotation | None:
    try:
        return Annotation.decode(delivery.attributes[ANNOTATION])
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant; of each kind of wish, the empty one is for all."""

    ids: Collection[str] = ()
    task: str = ""
    reason: str = ""

    def __contains__(self, letter: Letter) -> bool:
        return (
            (not self.ids or letter.id in self.ids or letter.delivery.message_id in self.ids)
            and self.task in ("", letter.task)
            and self.reason in ("", letter.reason)
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A dead-letter queue, and how its letters are read.

    Attributes:
        url: where it is.
        source: the queue whose letters they are, but for those whose annotation says another of the `queues`.
        queues: those of the app.
        sealing: opens what was sealed for the queue a letter came from.
        expired: whether it opens what has expired, too.
    """

    url: str
    source: str
    queues: Collection[str] = ()
    sealing: Sealing = Sealing()  # noqa: RUF009 - frozen
    expired: bool = False


class DeadLetters:
    """The dead letters of a queue, hidden from others while it is entered.

    Args:
        transport: open.
        place: where they are.
        wait: seconds of a poll; a long one asks all of SQS's hosts, so that an empty answer means an empty queue.
    """

    def __init__(self, transport: Transport, place: Place, *, wait: float = 1.0) -> None:
        self._transport = transport
        self._place = place
        self._url = place.url
        self._wait = wait
        self._held: dict[str, str] = {}  # message id -> newest receipt handle

    def __repr__(self) -> str:
        return f"<DeadLetters of {self._place.source}, {len(self._held)} held>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        handles = list(self._held.values())
        self._held.clear()
        for start in range(0, len(handles), MAX_BATCH_ENTRIES):
            shown = [(handle, 0.0) for handle in handles[start : start + MAX_BATCH_ENTRIES]]
            try:
                await self._transport.change_visibility(self._url, shown)
            except TransportError:  # they come back by themselves, only later
                return

    async def batches(self, limit: int) -> AsyncIterator[list[Letter]]:
        """Yield letters as they come, each once, until the queue gives no new ones or `limit` are read."""
        read: set[str] = set()
        while len(read) < limit:
            deliveries = await self._transport.receive(
                self._url, limit=min(MAX_BATCH_ENTRIES, limit - len(read)), wait=self._wait, visibility=_HIDDEN_FOR
            )
            self._held.update((delivery.message_id, delivery.receipt_handle) for delivery in deliveries)
            new = [delivery for delivery in deliveries if delivery.message_id not in read]
            if not new:
                return
            read.update(delivery.message_id for delivery in new)
            yield [await Letter.of(delivery, self._place) for delivery in new]

    async def delete(self, letters: Sequence[Letter]) -> int:
        """Delete up to ten letters, and return how many; one that SQS does not delete is given back with the others."""
        if not letters:
            return 0
        handles = [letter.delivery.receipt_handle for letter in letters]
        results = await self._transport.delete(self._url, handles)
        gone = [letter for letter, result in zip(letters, results, strict=True) if isinstance(result, Done)]
        for letter in gone:
            self._held.pop(letter.delivery.message_id, None)
        return len(gone)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a letter: sent back, or (with a problem) left where it is."""

    letter: Letter
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Redrive:
    """Sends letters back to their queues as new sendings of their jobs.

    With a job store, the job's record is opened again first: ``queued``, its attempts at none. Without one, the letter's
    annotation goes along, by which a worker with a store opens the record. The epoch rises either way, so that
    SQS's memory of five minutes does not swallow the message on a FIFO queue.

    Attributes:
        transport: open.
        store: open, or None.
        sealing: seals them anew.
        rate: letters a second, at most.
    """

    transport: Transport
    store: JobStore | None
    sealing: Sealing
    rate: float

    async def carry_out(self, letters: Sequence[Letter], place: DeadLetters, *, now: float) -> list[Fate]:
        """Send up to ten letters of `place` back, and delete those that SQS took; takes as long as the rate demands."""
        ready: list[tuple[Letter, OutgoingMessage]] = []
        fates: list[Fate] = []
        clock = asyncio.get_running_loop().time
        next_at = clock() + len(letters) / self.rate
        for letter in letters:
            match await self._prepared(letter, now):
                case OutgoingMessage() as message:
                    ready.append((letter, message))
                case problem:
                    fates.append(Fate(letter, problem))
        for queue, batch in self._batches(ready):
            fates += await self._send(queue, batch)
        await place.delete([fate.letter for fate in fates if not fate.problem])
        await asyncio.sleep(max(0.0, next_at - clock()))
        return fates

    async def _prepared(self, letter: Letter, now: float) -> OutgoingMessage | str:
        """Return the message that goes back, or why none does."""
        if letter.job is None:
            return f"it carries no job: {letter.problem}"
        job, known = letter.job, letter.annotation.epoch if letter.annotation else 0
        reopened = await self.store.reopen(job.id, now) if self.store else None
        if self.store and reopened is None:
            record = await self.store.get(job.id)
            if record and record.status is JobStatus.SUCCEEDED:
                return "the job has succeeded meanwhile"
            known = max(known, record.epoch if record else 0)
        epoch = max(job.epoch + 1, known + 1 if reopened is None else reopened)
        anew = replace(job, queue=letter.source, epoch=epoch, attempts=0, not_before=None)
        try:
            message = message_of(anew, await self.sealing.seal_inline(anew))
        except PayloadTooLarge as problem:
            return str(problem)
        return message if reopened is not None else replace(message, attributes=_annotation_of(letter))

    def _batches(
        self, ready: list[tuple[Letter, OutgoingMessage]]
    ) -> Iterator[tuple[str, list[tuple[Letter, OutgoingMessage]]]]:
        for queue in dict.fromkeys(letter.source for letter, _ in ready):
            rest = [pair for pair in ready if pair[0].source == queue]
            while rest:
                sizes = (message_size(message) for _, message in rest)
                count = first_batch(sizes, MAX_BATCH_ENTRIES, MAX_BATCH_BYTES)
                yield queue, rest[:count]
                rest = rest[count:]

    async def _send(self, queue: str, batch: list[tuple[Letter, OutgoingMessage]]) -> list[Fate]:
        fates: list[Fate] = []
        try:
            results = await self.transport.send(queue, [message for _, message in batch])
        except RequestRejected as problem:
            if len(batch) == 1:
                return [Fate(batch[0][0], str(problem))]
            # One of them is to blame for the whole request, so each is sent by itself.
            return [fate for pair in batch for fate in await self._send(queue, [pair])]
        for (letter, _), result in zip(batch, results, strict=True):
            match result:
                case Sent():
                    fates.append(Fate(letter))
                case NotSent() as refusal:
                    fates.append(Fate(letter, f"SQS did not take it: {refusal.problem}"))
        return fates


def _annotation_of(letter: Letter) -> dict[str, str]:
    attribute = letter.delivery.attributes.get(ANNOTATION)
    return {} if attribute is None else {ANNOTATION: attribute}
