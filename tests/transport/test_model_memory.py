"""The transport over the model: names, errors, faults, and that it is as strict about its use as the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sqsjobs.errors import (
    AccessDenied,
    ConfigurationError,
    QueueNotFound,
    RequestRejected,
    Throttled,
    TransportUnavailable,
)
from sqsjobs.transport.base import Done, EntryFailed, NotSent, OutgoingMessage, Sent, SqsCalled, Transport
from sqsjobs.transport.memory import MemorySQS, MemoryTransport
from sqsjobs.transport.model import Fault, NoAnswer, Phase, Refusal


@pytest.fixture
async def transport() -> AsyncIterator[MemoryTransport]:
    async with MemoryTransport(create_missing=True) as transport:
        yield transport


async def handles(transport: Transport, queue: str = "jobs") -> list[str]:
    received = await transport.receive(queue, limit=10, wait=0, visibility=30)
    return [delivery.receipt_handle for delivery in received]


# Queues -----------------------------------------------------------------------------------------------


async def test_missing_queues_are_created_with_a_dead_letter_queue_if_wanted(transport: MemoryTransport) -> None:
    await transport.send("jobs", [OutgoingMessage("a")])
    described = await transport.describe("jobs.fifo")
    assert described.fifo
    assert described.max_receive_count == 100
    assert described.dead_letter_queue is not None
    assert described.dead_letter_queue.endswith("/jobs-dlq.fifo")
    assert transport.sqs.has_queue("jobs-dlq")
    assert not transport.sqs.has_queue("jobs-dlq-dlq")
    assert (await transport.describe("jobs-dlq")).dead_letter_queue is None


async def test_otherwise_a_missing_queue_is_an_error() -> None:
    async with MemoryTransport() as transport:
        with pytest.raises(QueueNotFound) as caught:
            await transport.send("jobs", [OutgoingMessage("a")])
        assert caught.value.queue == "jobs"
        assert caught.value.operation == "SendMessageBatch"


async def test_a_queue_is_found_by_name_with_a_prefix_or_by_url() -> None:
    sqs = MemorySQS()
    sqs.create_queue("test-jobs", dead_letter_queue="test-dead")
    async with MemoryTransport(sqs, queue_prefix="test-") as transport:
        await transport.send("jobs", [OutgoingMessage("a")])
        described = await transport.describe("jobs")
        assert (described.name, described.visible) == ("jobs", 1)
        (delivery,) = await transport.receive(described.url, limit=1, wait=0, visibility=30)
        assert (delivery.queue, delivery.body) == (described.url, "a")
        assert described.dead_letter_queue is not None
        await transport.send(described.dead_letter_queue, [OutgoingMessage("dead")])
        assert [it.body for it in sqs.peek("test-dead")] == ["dead"]


async def test_peek_shows_what_lies_in_a_queue_and_changes_nothing(transport: MemoryTransport) -> None:
    await transport.send("jobs", [OutgoingMessage("a", attributes={"k": "v"}), OutgoingMessage("b", delay=60)])
    await handles(transport)
    first, second = transport.sqs.peek("jobs")
    assert (first.body, first.phase, first.receive_count) == ("a", Phase.IN_FLIGHT, 1)
    assert (second.body, second.phase, second.receive_count) == ("b", Phase.DELAYED, 0)
    assert first.attributes["k"].value == "v"


# Use --------------------------------------------------------------------------------------------------


async def test_it_is_used_when_open_and_where_it_was_opened() -> None:
    transport = MemoryTransport(create_missing=True)
    with pytest.raises(ConfigurationError, match="async with"):
        await transport.describe("jobs")
    async with transport:
        with pytest.raises(ConfigurationError, match="clone"):
            await transport.__aenter__()
        with pytest.raises(ConfigurationError, match="clone"):
            await asyncio.to_thread(lambda: asyncio.run(transport.describe("jobs")))
        async with transport.clone() as clone:
            await transport.send("jobs", [OutgoingMessage("a")])
            assert (await clone.describe("jobs")).visible == 1
    async with transport:
        assert (await transport.describe("jobs")).visible == 1


async def test_every_call_is_told_of() -> None:
    told: list[SqsCalled] = []
    async with MemoryTransport(create_missing=True, observer=told.append) as transport:
        await transport.send("jobs", [OutgoingMessage("a"), OutgoingMessage("b")])
        await transport.delete("jobs", await handles(transport))
        with pytest.raises(RequestRejected):
            await transport.receive("jobs", limit=11, wait=0, visibility=0)
    assert [(it.operation, it.queue, it.entries, it.error) for it in told] == [
        ("SendMessageBatch", "jobs", 2, None),
        ("ReceiveMessage", "jobs", 2, None),
        ("DeleteMessageBatch", "jobs", 2, None),
        ("ReceiveMessage", "jobs", 0, "InvalidParameterValue"),
    ]


# Results of entries -----------------------------------------------------------------------------------


async def test_refused_entries_are_values(transport: MemoryTransport) -> None:
    good, bad = await transport.send("jobs", [OutgoingMessage("a"), OutgoingMessage("\x00")])
    assert isinstance(good, Sent)
    assert isinstance(bad, NotSent)
    assert (bad.code, bad.retryable) == ("InvalidMessageContents", False)
    (handle,) = await handles(transport)
    assert await transport.delete("jobs", [handle]) == [Done()]
    gone, garbage = await transport.change_visibility("jobs", [(handle, 10), ("garbage", 10)])
    assert isinstance(gone, EntryFailed)
    assert isinstance(garbage, EntryFailed)
    assert gone.lease_over
    assert garbage.lease_over


async def test_too_long_a_visibility_is_no_lost_lease(transport: MemoryTransport) -> None:
    """R21."""
    await transport.send("jobs", [OutgoingMessage("a")])
    (handle,) = await handles(transport)
    (failed,) = await transport.change_visibility("jobs", [(handle, 43_201)])
    assert isinstance(failed, EntryFailed)
    assert not failed.lease_over
    assert not failed.retryable


# Faults -----------------------------------------------------------------------------------------------


class Once:
    """Lets the next call of one operation go wrong."""

    def __init__(self, operation: str, fault: Fault) -> None:
        self.operation = operation
        self.fault: Fault | None = fault

    def __call__(self, operation: str, queue: str | None) -> Fault | None:
        if operation != self.operation:
            return None
        fault, self.fault = self.fault, None
        return fault


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (Refusal("InternalFailure", "internal"), TransportUnavailable),
        (Refusal("ServiceUnavailable", "away"), TransportUnavailable),
        (Refusal("RequestThrottled", "too much"), Throttled),
        (Refusal("KmsThrottled", "too much"), Throttled),
        (Refusal("AccessDeniedException", "no"), AccessDenied),
        (Refusal("ExpiredTokenException", "old"), AccessDenied),
    ],
)
async def test_a_call_can_fail_before_it_does_anything(
    transport: MemoryTransport, refusal: Refusal, error: type[Exception]
) -> None:
    transport.sqs.faults = Once("SendMessageBatch", Fault(before=refusal))
    with pytest.raises(error):
        await transport.send("jobs", [OutgoingMessage("a")])
    assert (await transport.describe("jobs")).visible == 0
    await transport.send("jobs", [OutgoingMessage("a")])


async def test_a_call_can_fail_after_it_was_carried_out(transport: MemoryTransport) -> None:
    """R28: the ambiguous send."""
    transport.sqs.faults = Once("SendMessageBatch", Fault(after=NoAnswer()))
    with pytest.raises(TransportUnavailable) as caught:
        await transport.send("jobs", [OutgoingMessage("a")])
    assert caught.value.sent
    assert (await transport.describe("jobs")).visible == 1


async def test_the_answer_to_a_receive_can_be_lost(transport: MemoryTransport) -> None:
    """R26: on a FIFO queue it can be asked for again."""
    await transport.send("jobs.fifo", [OutgoingMessage("a", group="g", deduplication_id="d")])
    transport.sqs.faults = Once("ReceiveMessage", Fault(after=NoAnswer()))
    with pytest.raises(TransportUnavailable):
        await transport.receive("jobs.fifo", limit=1, wait=0, visibility=30, attempt_id="try")
    assert await handles(transport, "jobs.fifo") == []
    (delivery,) = await transport.receive("jobs.fifo", limit=1, wait=0, visibility=30, attempt_id="try")
    assert delivery.receive_count == 1


async def test_a_throttled_attempt_needs_a_new_id(transport: MemoryTransport) -> None:
    """R26."""
    await transport.send("jobs.fifo", [OutgoingMessage("a", group="g", deduplication_id="d")])
    transport.sqs.faults = Once("ReceiveMessage", Fault(before=Refusal("RequestThrottled", "too much")))
    with pytest.raises(Throttled):
        await transport.receive("jobs.fifo", limit=1, wait=0, visibility=30, attempt_id="try")
    with pytest.raises(RequestRejected, match="not retryable"):
        await transport.receive("jobs.fifo", limit=1, wait=0, visibility=30, attempt_id="try")
    assert await transport.receive("jobs.fifo", limit=1, wait=0, visibility=30, attempt_id="another")


async def test_a_message_can_be_delivered_twice_at_once(transport: MemoryTransport) -> None:
    """R23."""
    await transport.send("jobs", [OutgoingMessage("a")])
    transport.sqs.faults = Once("ReceiveMessage", Fault(duplicate=True))
    assert len(await handles(transport)) == 1
    assert len(await handles(transport)) == 1
    assert len(await handles(transport)) == 0


async def test_a_deleted_message_can_come_back(transport: MemoryTransport) -> None:
    """R25."""
    await transport.send("jobs", [OutgoingMessage("a")])
    (delivery,) = await transport.receive("jobs", limit=1, wait=0, visibility=0.05)
    transport.sqs.faults = Once("DeleteMessageBatch", Fault(resurrect=True))
    assert await transport.delete("jobs", [delivery.receipt_handle]) == [Done()]
    (again,) = await transport.receive("jobs", limit=1, wait=5, visibility=30)
    assert (again.message_id, again.receive_count) == (delivery.message_id, 2)


async def test_single_entries_can_fail(transport: MemoryTransport) -> None:
    """R29, R35."""
    broken = {0: Refusal("InternalFailure", "internal")}
    transport.sqs.faults = Once("SendMessageBatch", Fault(entries=broken))
    failed, sent = await transport.send("jobs", [OutgoingMessage("a"), OutgoingMessage("b")])
    assert failed == NotSent("InternalFailure", "internal", retryable=True)
    assert isinstance(sent, Sent)
    (handle,) = await handles(transport)
    transport.sqs.faults = Once("DeleteMessageBatch", Fault(entries=broken))
    assert await transport.delete("jobs", [handle]) == [EntryFailed("InternalFailure", "internal", retryable=True)]
    assert await transport.delete("jobs", [handle]) == [Done()]


async def test_a_call_can_be_slow(transport: MemoryTransport) -> None:
    transport.sqs.faults = Once("SendMessageBatch", Fault(delay=0.1))
    loop = asyncio.get_running_loop()
    started = loop.time()
    await transport.send("jobs", [OutgoingMessage("a")])
    assert loop.time() - started >= 0.1


async def test_faults_know_the_queue_and_the_operation(transport: MemoryTransport) -> None:
    asked: list[tuple[str, str | None]] = []

    def note(operation: str, queue: str | None) -> Fault | None:
        asked.append((operation, queue))
        return None

    transport.sqs.faults = note
    await transport.send("jobs", [OutgoingMessage("a")])
    (handle,) = await handles(transport)
    await transport.change_visibility("jobs", [(handle, 5)])
    await transport.delete("jobs", [handle])
    await transport.describe("jobs")
    assert asked == [
        ("SendMessageBatch", "jobs"),
        ("ReceiveMessage", "jobs"),
        ("ChangeMessageVisibilityBatch", "jobs"),
        ("DeleteMessageBatch", "jobs"),
        ("GetQueueAttributes", "jobs"),
    ]
