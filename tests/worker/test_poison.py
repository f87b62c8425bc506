"""Messages that cannot become a run here, or anywhere: what becomes of them, and that nothing loops."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from tests.worker.rig import LOST
from tests.worker.virtual import virtually

from sqsjobs import ConfigurationError, Retry, task
from sqsjobs import events as ev
from sqsjobs.annotation import ANNOTATION
from sqsjobs.job import JobStatus, new_job_id
from sqsjobs.outcome import AlreadyEnded, Overdelivered, Succeeded, Unknown
from sqsjobs.registry import Registry
from sqsjobs.transport.model import Fault

S3_EVENT = json.dumps(
    {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "in"}, "object": {"key": "a.png"}}}]}
)
NO_ENVELOPE = [
    "garbage",
    "[]",
    "null",
    "{}",
    "{" * 10_000,
    '{"sqsjobs": 1, "task": "add"',
    '{"sqsjobs": 1, "task": 7, "args": {}}',
    '{"sqsjobs": 0, "task": "add"}',
    '{"sqsjobs": -1, "task": "add"}',
    '{"sqsjobs": "1", "task": "add"}',
    '{"sqsjobs": 1, "task": "add", "args": []}',
    '{"sqsjobs": 1, "task": "add", "id": "../../etc/passwd"}',
    '{"sqsjobs": 1, "task": "add", "attempts": -5}',
    '{"sqsjobs": 1, "task": "add", "epoch": -1}',
    '{"sqsjobs": 1, "task": "add", "headers": {"a": 1}}',
    S3_EVENT,
]


@pytest.mark.parametrize("body", NO_ENVELOPE, ids=lambda body: body[:30])
@virtually
async def test_a_body_that_is_no_envelope_is_dead_lettered_at_once(rig, body):
    """R47: with a reason that one can read, unchanged otherwise, and without one retry."""

    @rig.task()
    async def add(a: int = 1) -> None: ...

    await rig.send_body(body, color="red")
    await rig.drain()
    ((message, annotation),) = rig.dead_letters()
    assert message.body == body
    assert message.attributes["color"].value == "red"
    assert annotation.reason == ("over-limit" if body.startswith("{{") else "invalid-envelope")
    assert annotation.error
    assert rig.messages() == []
    assert rig.events.count(ev.JobStarted) == 0


@virtually
async def test_arguments_that_do_not_fit_are_dead_lettered_at_once(rig):
    """R49: a wrong type, a missing and an unknown name; the record of the job says why it failed."""

    @rig.task()
    async def add(a: int, b: int) -> int:
        return a + b

    jobs = [
        await rig.send(add, a=1, b="two"),
        await rig.send(add, a=1),
        await rig.send(add, a=1, b=2, c=3),
        await rig.send(add, arguments=b'{"a": 1, "b": 99999999999999999999999999}'),
    ]
    await rig.drain()
    for job_id in jobs[:3]:
        record = await rig.record(job_id)
        assert (record.status, record.attempts, record.dead_lettered) == (JobStatus.FAILED, 0, True)
        assert record.failure.type == "sqsjobs.invalid-arguments"
    reasons = Counter(annotation.reason for _, annotation in rig.dead_letters())
    assert reasons["invalid-arguments"] >= 3
    assert "'b'" in {annotation.job_id: annotation for _, annotation in rig.dead_letters()}[jobs[0]].error
    assert rig.messages() == []


@virtually
async def test_good_jobs_pass_between_bad_ones(rig):
    """S18, and the scene of design section 4: nothing loops, nobody waits."""

    @rig.task()
    async def good(n: int) -> int:
        return n

    for body in NO_ENVELOPE[:10]:
        await rig.send_body(body)
    jobs = await rig.send_many(good, 100)
    await rig.drain()
    assert all([(await rig.record(job_id)).status is JobStatus.SUCCEEDED for job_id in jobs])
    assert len(rig.messages("work-dlq")) == 10
    assert rig.events.count(ev.JobSettled) == 110


@virtually
async def test_an_unknown_task_is_parked_and_at_last_dead_lettered(rig):
    """R48: 30 s, growing to 15 min, for an hour in all; a rolling deploy may bring the task."""
    await rig.send("not.here.yet", queue="work")
    async with rig.working(wait=20):
        await rig.events.wait(ev.DeadLettered)
    parked = [event.delay for event in rig.events.of(ev.JobSettled, lambda e: e.disposition == "hide")]
    assert parked == [30, 60, 120, 240, 480, 900, 900, 900]
    assert rig.dead_letter().reason == "unknown-task"
    assert rig.dead_letter().task == "not.here.yet"
    assert rig.events.count(ev.JobStarted) == 0


@virtually
async def test_a_parked_job_runs_on_a_worker_that_knows_it(rig):
    """R48: two versions of the code, and none of the jobs in the dead-letter queue."""

    @rig.task()
    async def new() -> str:
        return "known here"

    job_id = await rig.send(new)
    async with rig.working(name="old", registry=Registry()):
        parked = await rig.events.wait(ev.JobSettled)
        assert isinstance(parked.outcome, Unknown)
    async with rig.working(name="new"):
        await rig.events.wait(ev.JobSettled, lambda e: isinstance(e.outcome, Succeeded))
    record = await rig.record(job_id)
    assert (record.status, record.attempts, record.epoch) == (JobStatus.SUCCEEDED, 1, 1)


@virtually
async def test_a_newer_version_of_the_envelope_is_parked(rig):
    """R48 and S26: an old worker does not run what it may misread, whatever else the new version changes."""

    @rig.task()
    async def add(a: int = 0) -> None: ...

    await rig.send_body('{"sqsjobs": 3, "task": "add", "args": {"a": 1}}')
    await rig.send_body('{"sqsjobs": 4, "task": {"module": "m"}, "args": ["changed"]}')
    async with rig.working():
        await rig.events.wait(ev.JobSettled, count=2)
    assert [event.outcome.code for event in rig.events.of(ev.JobSettled)] == ["unsupported-version"] * 2
    assert [event.delay for event in rig.events.of(ev.JobSettled)] == [30, 30]


@virtually
async def test_unknown_fields_of_an_envelope_are_ignored(rig):
    """R49: a minor version may add some; an envelope without an id takes that of its message."""

    @rig.task()
    async def add(a: int) -> int:
        return a + 1

    await rig.send_body('{"sqsjobs": 1, "task": "add", "args": {"a": 1}, "priority": {"x": [1]}}')
    await rig.drain()
    settled = rig.events.one(ev.JobSettled)
    assert settled.job_id == settled.message_id
    assert (await rig.record(settled.job_id)).result == b"2"


@virtually
async def test_a_name_is_looked_up_in_the_registry_and_nowhere_else(rig):
    """S2: nothing is imported because a message says so."""
    for name in ("os.system", "builtins.exec", "sqsjobs.worker.worker", "__import__"):
        await rig.send(name, queue="work", command="true")
    async with rig.working():
        await rig.events.wait(ev.JobSettled, count=4)
    assert all(isinstance(event.outcome, Unknown) for event in rig.events.of(ev.JobSettled))


# Sent back from the dead-letter queue ------------------------------------------------------------------


async def _redrive(rig, queue="work"):
    """Send all dead letters back as they are, as SQS's own redrive does."""
    for message in rig.messages("work-dlq"):
        attributes = {name: attribute.value for name, attribute in message.attributes.items()}
        await rig.send_body(message.body, queue=queue, **attributes)
    with rig.sqs.use() as model:
        model.account.purge("work-dlq")


@virtually
async def test_a_dead_letter_that_is_sent_back_opens_its_record_again(rig):
    """With all its attempts, and exactly that record: it is named by its epoch."""
    broken = True

    @rig.task(retry=Retry(max_attempts=1))
    async def fragile() -> str:
        if broken:
            raise ValueError
        return "mended"

    job_id = await rig.send(fragile)
    await rig.drain()
    assert (await rig.record(job_id)).status is JobStatus.FAILED
    broken = False
    await _redrive(rig)
    await rig.drain()
    record = await rig.record(job_id)
    assert (record.status, record.result, record.attempts) == (JobStatus.SUCCEEDED, b'"mended"', 1)


@pytest.mark.parametrize("known", [True, False])
@virtually
async def test_a_dead_letter_that_never_ran_opens_its_record_again_too(rig, known):
    """Wrong arguments, or a task that nobody knew: after the deploy that mends it, it is sent back, and runs."""

    async def job(n: int) -> int:
        return n

    old, new = Registry(), Registry()
    mended = task("job", queue="work")(job)
    new.add(mended)
    if known:

        async def strict(n: str) -> str:
            return n

        old.add(task("job", queue="work")(strict))
    job_id = await rig.send(mended, n=5)
    async with rig.working(name="old", registry=old, wait=20):
        await rig.events.wait(ev.DeadLettered)
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "deadletter")
    record = await rig.record(job_id)
    assert (record.status, record.attempts) == (JobStatus.FAILED, 0)
    assert rig.dead_letter().epoch == record.epoch > 0
    await _redrive(rig)
    await rig.drain(registry=new)
    record = await rig.record(job_id)
    assert (record.status, record.result, record.attempts) == (JobStatus.SUCCEEDED, b"5", 1)


@pytest.mark.parametrize("value", ["{}", "not json", '{"reason": 7}', "[]"])
@virtually
async def test_an_attribute_of_our_name_that_is_none_of_ours_does_no_harm(rig, value):
    @rig.task()
    async def job() -> int:
        return 1

    job_id = new_job_id()
    await rig.send_body(f'{{"sqsjobs": 1, "task": "job", "id": "{job_id}"}}', **{ANNOTATION: value})
    await rig.drain()
    assert (await rig.record(job_id)).status is JobStatus.SUCCEEDED


# Crash points on the way to the dead-letter queue --------------------------------------------------------


@virtually
async def test_the_copy_is_there_before_the_message_is_gone(rig):
    """R42: where the delete fails for good, the message comes once more and is deleted by its record; one copy."""

    @rig.task(retry=Retry(max_attempts=1))
    async def hopeless() -> None:
        raise ValueError

    await rig.send(hopeless)
    rig.faults.refuse("DeleteMessageBatch", times=0)
    rig.faults.refuse("ChangeMessageVisibilityBatch", times=0)
    async with rig.working(name="first", concurrency=1) as worker:
        await rig.events.wait(ev.SettleFailed)
        assert len(rig.messages("work-dlq")) == len(rig.messages()) == 1
        worker.stop()
        await rig.events.wait(ev.WorkerStopped)
    rig.faults.end()
    async with rig.working(name="second"):
        again = await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
        assert again.outcome == AlreadyEnded(JobStatus.FAILED)
    assert (len(rig.messages("work-dlq")), rig.messages()) == (1, [])


@virtually
async def test_a_copy_that_is_not_taken_keeps_the_message(rig):
    """R42: it is hidden for a minute and comes again; nothing is deleted, recorded as failed, or lost."""

    @rig.task(retry=Retry(max_attempts=1))
    async def hopeless() -> None:
        raise ValueError

    job_id = await rig.send(hopeless)
    rig.faults.refuse("SendMessageBatch", queue="work-dlq", times=0)
    async with rig.working():
        hidden = await rig.events.wait(ev.JobSettled)
        assert (hidden.disposition, hidden.delay) == ("hide", 60)
        assert (await rig.record(job_id)).status is JobStatus.RETRYING
        rig.faults.end()
        again = await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "deadletter")
        assert isinstance(again.outcome, Overdelivered)
    assert rig.events.count(ev.JobStarted) == 1
    assert rig.dead_letter().attempts == 1
    assert (await rig.record(job_id)).dead_lettered


@virtually
async def test_an_answer_to_the_copy_that_is_lost_may_leave_two_copies_but_never_none(rig):
    """R42: the copy is repeated."""

    @rig.task(retry=Retry(max_attempts=1))
    async def hopeless() -> None:
        raise ValueError

    await rig.send(hopeless)
    rig.faults.plan("SendMessageBatch", Fault(after=LOST), queue="work-dlq")
    await rig.drain()
    assert len(rig.messages("work-dlq")) == 2
    assert rig.messages() == []


@virtually
async def test_a_foreign_message_that_fills_all_of_sqs_is_dead_lettered_without_its_reason(rig):
    """There is no room for an attribute; the event says why."""
    await rig.send_body("x" * 1_048_576)
    await rig.send_body("y" * 1_000_000, note="z" * 48_400)
    await rig.drain()
    bodies = {message.body[0]: set(message.attributes) for message in rig.messages("work-dlq")}
    assert bodies == {"x": set(), "y": {ANNOTATION}}
    assert rig.events.count(ev.DeadLettered, lambda e: e.reason == "invalid-envelope") == 2


# Without a dead-letter queue -------------------------------------------------------------------------------


@virtually
async def test_a_queue_without_a_dead_letter_queue_is_refused(rig):
    """R41: nothing is ever dropped with a log line."""
    rig.sqs.create_queue("bare")

    @rig.task(queue="bare")
    async def job() -> None: ...

    with pytest.raises(ConfigurationError, match=r"'bare' has no dead-letter queue.*allow_no_dlq"):
        await rig.worker("bare").run()


@virtually
async def test_a_queue_without_a_dead_letter_queue_may_have_tasks_that_are_discarded(rig):
    """R41: the task says so."""
    rig.sqs.create_queue("bare")

    @rig.task(queue="bare", on_exhausted="discard", retry=Retry(max_attempts=1))
    async def job() -> None:
        raise ValueError

    await rig.send(job)
    await rig.drain("bare")
    assert rig.messages("bare") == []


@pytest.mark.parametrize("stored", [True, False])
@virtually
async def test_poison_is_kept_in_a_queue_without_a_dead_letter_queue(rig, stored):
    """R41: with allow_no_dlq it is hidden, again and again, until the queue's retention ends; and never run again."""
    if not stored:
        rig.store = None
    starts = []
    rig.sqs.create_queue("bare")

    @rig.task(queue="bare", retry=Retry(max_attempts=1))
    async def hopeless() -> None:
        starts.append(1)
        raise ValueError

    await rig.send(hopeless)
    await rig.send_body("garbage", queue="bare")
    async with rig.working("bare", allow_no_dlq=True, wait=20):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "hide", count=8)
    assert len(starts) == 1
    assert {event.delay for event in rig.events.of(ev.JobSettled)} == {900}
    assert len(rig.messages("bare")) == 2


@virtually
async def test_a_missing_queue_is_named(rig):
    """R61: and what to do about it."""
    with pytest.raises(ConfigurationError, match=r"'absent' does not exist.*sqsjobs queues apply"):
        await rig.worker("absent").run()


@virtually
async def test_an_sqs_that_answers_late_is_waited_for_at_the_start(rig):
    rig.faults.refuse("GetQueueAttributes", times=3)
    async with rig.working():
        assert rig.faults.made("GetQueueAttributes") == 4


@virtually
async def test_a_redrive_policy_that_is_too_low_is_told(rig):
    """R39: SQS itself would dead-letter jobs that have attempts left."""
    rig.sqs.create_queue("hasty", dead_letter_queue="hasty-dlq", max_receive_count=5)

    @rig.task(queue="hasty", retry=Retry(max_attempts=8))
    async def job() -> None: ...

    async with rig.working("work", "hasty"):
        told = rig.events.one(ev.RedriveTooLow)
        assert (told.queue, told.max_receive_count, told.needed) == ("hasty", 5, 18)
        await asyncio.sleep(0)
