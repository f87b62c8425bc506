"""From the end of a job to its callback, in virtual time: what is told of whom, when, how often, and that none is lost."""

from __future__ import annotations

import asyncio
import json

import anyio
import pytest
from tests.callbacks.receiver import KEY
from tests.sealing.samples import NEW, sealing
from tests.worker import pills
from tests.worker.virtual import virtually

from sqsjobs import Callbacks, ConfigurationError, Discard, Reject, Retry, Webhook, constant, exponential
from sqsjobs import events as ev
from sqsjobs.app.callback_task import callback_task
from sqsjobs.callbacks import CALLBACK_TASK
from sqsjobs.callbacks.posts import Answer, Post
from sqsjobs.envelope import encode
from sqsjobs.errors import CallbackFailed, StoreUnavailable
from sqsjobs.job import Job, JobId, JobStatus
from sqsjobs.outcome import AlreadyEnded, Failed, Succeeded, Unknown
from sqsjobs.store.base import JobRecord
from sqsjobs.transport.model import Fault, NoAnswer
from sqsjobs.worker.owed import Debt, Owed

URL = "https://shop.example/hooks?token=s3cret-in-the-url"
ONCE = Retry(max_attempts=1)


class Receivers:
    """All receivers there are: keeps what is posted, and answers in turn, the last answer again and again."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.posts: list[Post] = []
        self.times: list[float] = []
        self._answers = list(answers) or [Answer(200)]

    async def __call__(self, post, reach) -> Answer:
        self.posts.append(post)
        self.times.append(asyncio.get_running_loop().time())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def read(self, rig):
        """Return what was posted, verified."""
        return [
            Webhook(KEY).verify(post.body, post.headers, now=rig.clock.wall(), tolerance=1e9) for post in self.posts
        ]

    @property
    def ids(self) -> list[str]:
        return [post.headers["webhook-id"] for post in self.posts]


def has_been_posted(event: ev.JobEnded) -> bool:
    return event.job.task == CALLBACK_TASK and isinstance(event.outcome, Succeeded)


def serve(rig, receivers=None, **options) -> tuple[Callbacks, Receivers]:
    """Let the rig's workers know the task that posts callbacks."""
    receivers = receivers or Receivers()
    callbacks = Callbacks(**{"hosts": ["shop.example"], "keys": [KEY], "deliver": receivers} | options)
    rig.registry.serve(callback_task(callbacks, rig.clock), everywhere=callbacks.queue is None)
    return callbacks, receivers


@virtually
async def test_a_success_is_posted_once_with_its_result(rig):
    callbacks, receivers = serve(rig)

    @rig.task()
    async def add(a: int, b: int) -> int:
        return a + b

    job_id = await rig.send(add, a=1, b=2, callback=URL)
    await rig.drain(callbacks=callbacks)
    (told,) = receivers.read(rig)
    assert told["type"] == "job.succeeded"
    assert told["timestamp"] == told["data"]["ended_at"]
    assert {key: told["data"][key] for key in ("id", "task", "status", "attempts", "result")} == {
        "id": job_id,
        "task": "add",
        "status": "succeeded",
        "attempts": 1,
        "result": 3,
    }
    assert receivers.posts[0].url == URL
    assert receivers.posts[0].headers["content-type"] == "application/json"
    assert rig.messages() == []
    assert (await rig.record(receivers.ids[0])).status is JobStatus.SUCCEEDED


@virtually
async def test_a_job_without_a_callback_tells_nobody(rig):
    callbacks, receivers = serve(rig)

    @rig.task()
    async def job() -> None: ...

    await rig.send(job)
    await rig.drain(callbacks=callbacks)
    assert receivers.posts == []
    assert rig.events.count(ev.JobStarted) == 1


@pytest.mark.parametrize("with_store", [True, False])
@pytest.mark.parametrize(
    ("wrong", "kind", "error"),
    [
        (ValueError("s3cret"), "job.failed", {"type": "ValueError", "message": ""}),
        (Reject("no such picture"), "job.failed", {"type": "Reject", "message": "no such picture"}),
        (Discard("too late"), "job.discarded", {"type": "Discard", "message": "too late"}),
    ],
)
@virtually
async def test_every_bad_end_is_posted_by_the_view_of_web_apis(rig, wrong, kind, error, with_store):
    if not with_store:
        rig.store = None
    callbacks, receivers = serve(rig)

    @rig.task(retry=ONCE)
    async def job() -> None:
        raise wrong

    job_id = await rig.send(job, callback=URL)
    await rig.drain(callbacks=callbacks)
    (told,) = receivers.read(rig)
    assert (told["type"], told["data"]["id"], told["data"]["error"]) == (kind, job_id, error)
    assert len(list(rig.dead_letters())) == (kind == "job.failed")


@virtually
async def test_a_retry_is_no_end(rig):
    callbacks, receivers = serve(rig, error_text=True)

    @rig.task(retry=Retry(max_attempts=3, backoff=constant(60)))
    async def job() -> None:
        raise ValueError("again")

    await rig.send(job, callback=URL)
    async with rig.working(callbacks=callbacks):
        await rig.events.wait(ev.JobEnded, lambda event: event.job.task == CALLBACK_TASK)
    (told,) = receivers.read(rig)
    assert told["data"]["attempts"] == 3
    assert told["data"]["error"] == {"type": "ValueError", "message": "again"}


@virtually
async def test_poison_with_a_callback_that_is_allowed_tells_of_its_end(rig):
    callbacks, receivers = serve(rig)

    @rig.task()
    async def job(n: int) -> None: ...

    await rig.send(job, n="not a number", callback=URL)
    await rig.drain(callbacks=callbacks)
    (told,) = receivers.read(rig)
    assert told["data"]["status"] == "failed"
    assert rig.dead_letter().reason == "invalid-arguments"


@virtually
async def test_a_cancellation_before_the_start_and_one_while_it_runs_are_posted(rig):
    callbacks, receivers = serve(rig)

    @rig.task()
    async def job() -> None:
        await asyncio.sleep(600)

    before = await rig.send(job, callback=URL)
    await rig.store.insert(JobRecord(before, "job", "work", JobStatus.QUEUED))
    await rig.store.cancel(before, rig.clock.wall())
    running = await rig.send(job, callback=URL)
    async with rig.working(callbacks=callbacks):
        await rig.events.wait(ev.JobStarted, lambda event: event.job.id == running)
        await rig.store.cancel(running, rig.clock.wall())
        await rig.events.wait(ev.JobEnded, lambda event: event.job.task == CALLBACK_TASK, count=2)
    told = {each["data"]["id"]: each["type"] for each in receivers.read(rig)}
    assert told == {before: "job.cancelled", running: "job.cancelled"}


@pytest.mark.parametrize("task_queue", ["work", "work.fifo"])
@virtually
async def test_a_second_delivery_of_an_ended_job_is_the_same_webhook(rig, task_queue):
    """It may be that the worker died before it could tell; where it had told, the job store knows the callback's job."""
    callbacks, receivers = serve(rig)

    @rig.task(queue=task_queue)
    async def job() -> None: ...

    first = rig.job(job, callback=URL, group="g")
    for _ in range(2):
        await rig.send_body(encode(first), queue=task_queue, group="g")
    await rig.drain(task_queue, callbacks=callbacks)
    assert len(receivers.posts) == 1
    assert rig.events.count(ev.JobStarted, lambda event: event.job.id == first.id) == 1
    repeats = rig.events.of(ev.JobSettled, lambda event: event.task == CALLBACK_TASK)
    assert {event.job_id for event in repeats} == set(receivers.ids)


@virtually
async def test_without_a_job_store_a_second_run_is_the_same_webhook(rig):
    rig.store = None
    callbacks, receivers = serve(rig)

    @rig.task()
    async def job() -> str:
        return "done"

    first = rig.job(job, callback=URL)
    for _ in range(2):
        await rig.send_body(encode(first))
    await rig.drain(callbacks=callbacks)
    assert len(receivers.posts) == 2
    assert len(set(receivers.ids)) == 1
    assert [told["data"]["result"] for told in receivers.read(rig)] == ["done", "done"]


@virtually
async def test_a_job_that_is_sent_again_has_another_end(rig):
    """A failed job that succeeds after its redrive is news, and no repeat."""
    callbacks, receivers = serve(rig)
    broken = [True]

    @rig.task(retry=ONCE)
    async def job() -> None:
        if broken:
            raise ValueError(broken.pop())

    await rig.send(job, callback=URL)
    await rig.drain(callbacks=callbacks)
    ((letter, _),) = rig.dead_letters()
    await rig.send_body(letter.body, **{name: value.value for name, value in letter.attributes.items()})
    await rig.drain(callbacks=callbacks)
    assert [told["type"] for told in receivers.read(rig)] == ["job.failed", "job.succeeded"]
    assert len(set(receivers.ids)) == 2


@virtually
async def test_a_worker_that_cannot_send_the_callback_keeps_the_message(rig):
    """Nothing is deleted before the callback's job is sent: where SQS takes it later, it is posted then."""
    callbacks, receivers = serve(rig, queue="other")

    @rig.task()
    async def job() -> int:
        return 7

    job_id = await rig.send(job, callback=URL)
    rig.faults.refuse("SendMessageBatch", queue="other", times=0)
    async with rig.working("work", "other", callbacks=callbacks):
        failed = await rig.events.wait(ev.SettleFailed)
        assert (failed.job_id, failed.disposition) == (job_id, "callback")
        assert not rig.events.of(ev.JobEnqueued)
        assert [message.body for message in rig.messages()]
        rig.faults.end()
        await rig.events.wait(ev.JobEnded, lambda event: event.job.task == CALLBACK_TASK)
    (told,) = receivers.read(rig)
    assert told["data"]["result"] == 7
    assert rig.events.count(ev.JobStarted, lambda event: event.job.id == job_id) == 1
    assert rig.messages() == []


@virtually
async def test_the_callbacks_job_is_told_of_as_enqueued(rig):
    """Like any job that SQS has accepted, so that it is counted, and what it costs to send."""
    callbacks, receivers = serve(rig, queue="other")

    @rig.task()
    async def job() -> None: ...

    await rig.send(job, callback=URL)
    async with rig.working("work", "other", callbacks=callbacks):
        await rig.events.wait(ev.JobEnded, has_been_posted)
    assert rig.events.of(ev.JobEnqueued) == [ev.JobEnqueued(receivers.ids[0], CALLBACK_TASK, "other")]


@pytest.mark.parametrize(
    ("fails", "task_queue", "tracking"),
    [(False, "work", "off"), (False, "work", "result"), (True, "work.fifo", "off")],
)
@virtually
async def test_without_claims_too_a_job_runs_once_though_its_callback_cannot_be_sent(rig, fails, task_queue, tracking):
    """The worker remembers what it could not send, over several deliveries; a dead letter is there once."""
    callbacks, receivers = serve(rig, queue="other")

    @rig.task(queue=task_queue, retry=ONCE)
    async def job() -> int:
        if fails:
            raise ValueError
        return 7

    job_id = await rig.send(job, callback=URL, group="g")
    rig.faults.refuse("SendMessageBatch", queue="other", times=0)
    async with rig.working(task_queue, "other", callbacks=callbacks, tracking=tracking, visibility=30):
        await rig.events.wait(ev.SettleFailed, lambda event: event.disposition == "callback", count=2, within=1000)
        rig.faults.end()
        await rig.events.wait(ev.JobEnded, lambda event: event.job.task == CALLBACK_TASK, within=1000)
    (told,) = receivers.read(rig)
    assert (told["data"]["id"], told["type"]) == (job_id, "job.failed" if fails else "job.succeeded")
    assert rig.events.count(ev.JobStarted, lambda event: event.job.id == job_id) == 1
    assert rig.messages(task_queue) == []
    assert rig.events.count(ev.DeadLettered) == fails


@pytest.mark.parametrize("tracking", ["full", "off"])
@virtually
async def test_what_is_kept_for_want_of_a_dead_letter_queue_stays_and_its_callback_is_told(rig, tracking):
    rig.sqs.create_queue("alone")
    callbacks, receivers = serve(rig, queue="other")

    @rig.task(queue="alone", retry=ONCE)
    async def job() -> None:
        raise ValueError

    await rig.send(job, callback=URL)
    rig.faults.refuse("SendMessageBatch", queue="other", times=0)
    async with rig.working("alone", callbacks=callbacks, tracking=tracking, allow_no_dlq=True):
        await rig.events.wait(ev.SettleFailed, lambda event: event.disposition == "callback", within=1000)
        rig.faults.end()
        await rig.events.wait(ev.JobSettled, count=3, within=5000)
    assert len(rig.messages("alone")) == 1
    await rig.drain("other", callbacks=callbacks)
    assert {told["type"] for told in receivers.read(rig)} == {"job.failed"}


@virtually
async def test_what_a_worker_kept_and_died_before_it_told_is_told_once_by_the_next(rig):
    """However often its message comes again; nobody sends what is on its way."""
    rig.sqs.create_queue("alone")
    callbacks, receivers = serve(rig, queue="other")

    @rig.task(queue="alone", retry=ONCE)
    async def job() -> None:
        raise ValueError

    job_id = await rig.send(job, callback=URL)
    ended = JobRecord(job_id, "job", "alone", JobStatus.FAILED, epoch=1, attempts=1, ended_at=rig.clock.wall())
    await rig.store.insert(ended)
    async with rig.working("alone", "other", callbacks=callbacks, allow_no_dlq=True):
        await rig.events.wait(ev.JobSettled, lambda event: event.job_id == job_id, count=4, within=5000)
    assert [told["type"] for told in receivers.read(rig)] == ["job.failed"]
    assert rig.faults.made("SendMessageBatch", "other") == 1
    assert len(rig.messages("alone")) == 1
    assert rig.events.count(ev.JobStarted, lambda event: event.job.id == job_id) == 0


@virtually
async def test_a_worker_does_not_start_without_the_queue_of_callbacks(rig):
    """Else each job would run, and then nothing could be told of it."""
    callbacks, _ = serve(rig, queue="nowhere")
    with pytest.raises(ConfigurationError, match="queue 'nowhere' does not exist: create it with `sqsjobs queues app"):
        await rig.drain(callbacks=callbacks)


def test_no_more_is_owed_than_there_is_room_for():
    """The oldest are forgotten: their jobs may run again."""
    owed = Owed(most_bytes=10_000)
    for n in range(100):
        owed.keep(f"m{n % 90}", debt(n, 1000))
    assert [owed.get(f"m{n}") for n in range(5, 10)] == [None, *(debt(n, 1000) for n in range(96, 100))]
    for n in range(90):
        owed.drop(f"m{n}")
    owed.keep("huge", debt(1, 10_000))
    assert len(owed) == 0
    owed.keep("m", debt(2, 8000))
    assert owed.get("m") == debt(2, 8000)


def debt(n: int, size: int) -> Debt:
    notice = Job(id=JobId(f"j{n}"), task=CALLBACK_TASK, queue="work", arguments=b"x" * size)
    return Debt(notice, AlreadyEnded(JobStatus.SUCCEEDED))


@pytest.mark.parametrize("with_store", [True, False])
@pytest.mark.parametrize("heard", range(8))
@pytest.mark.parametrize("last", [Fault(before=NoAnswer()), Fault(after=NoAnswer())], ids=["unheard", "unanswered"])
@virtually
async def test_whatever_sqs_hears_last_of_a_worker_the_callback_is_not_lost(rig, heard, last, with_store):
    """A worker is cut off after each of its calls in turn, that call answered or not, and dies; the next one tells, by the same id."""
    if not with_store:
        rig.store = None
    callbacks, receivers = serve(rig)

    @rig.task()
    async def job() -> int:
        return 7

    job_id = await rig.send(job, callback=URL)
    async with rig.working(callbacks=callbacks) as worker:
        await cut_off(rig, after=heard, last=last)
        worker.stop("it dies")
        worker.stop("at once")
    rig.sqs.faults = None
    await asyncio.sleep(200)  # what it had in hand is seen again
    await rig.drain(callbacks=callbacks)
    assert {told["data"]["id"] for told in receivers.read(rig)} == {job_id}
    assert len(set(receivers.ids)) == 1
    assert rig.messages() == []


async def cut_off(rig, *, after: int, last: Fault) -> None:
    """Let SQS hear so many more calls, the last of them in its own way, and then none; wait until it is so."""
    calls = 0
    silent = asyncio.Event()

    def fault(operation: str, queue: str | None) -> Fault | None:
        nonlocal calls
        calls += 1
        if calls > after:
            silent.set()
            return Fault(before=NoAnswer()) if calls > after + 1 else last
        return None

    rig.sqs.faults = fault
    with anyio.move_on_after(30):
        await silent.wait()


@virtually
async def test_a_job_store_that_is_away_puts_the_callback_off(rig, monkeypatch):
    """The end is recorded and cannot be read again: the message is kept, and tells when it comes back."""
    callbacks, receivers = serve(rig)
    read, away = rig.store.get, [True]

    async def get(job_id):
        if away:
            away.pop()
            raise StoreUnavailable("away")
        return await read(job_id)

    monkeypatch.setattr(rig.store, "get", get)

    @rig.task()
    async def job() -> int:
        return 7

    job_id = await rig.send(job, callback=URL)
    async with rig.working(callbacks=callbacks):
        failed = await rig.events.wait(ev.SettleFailed)
        assert failed.job_id == job_id
        await rig.events.wait(ev.JobEnded, lambda event: event.job.task == CALLBACK_TASK)
    assert [told["data"]["result"] for told in receivers.read(rig)] == [7]
    assert rig.events.count(ev.JobStarted, lambda event: event.job.id == job_id) == 1


@virtually
async def test_a_message_that_nobody_with_a_key_has_signed_tells_nobody(rig):
    """S3, S21: its URL is not believed either, even where it is an allowed one."""
    callbacks, receivers = serve(rig)
    layers = sealing(NEW, clock=rig.clock)

    @rig.task()
    async def job() -> None: ...

    await rig.send(job, callback=URL)
    good = rig.job(job, callback=URL)
    await rig.send_body(await layers.seal(good))
    await rig.drain(callbacks=callbacks, sealing=layers)
    assert rig.dead_letter().reason == "unsigned"
    assert [told["data"]["id"] for told in receivers.read(rig)] == [good.id]


# Tries ----------------------------------------------------------------------------------------------


@virtually
async def test_a_receiver_that_fails_is_asked_again_and_again_by_the_schedule(rig):
    receivers = Receivers(Answer(500), CallbackFailed("away"), Answer(302), Answer(204))
    callbacks, _ = serve(rig, receivers)

    @rig.task()
    async def job() -> None: ...

    await rig.send(job, callback=URL)
    async with rig.working(callbacks=callbacks):
        await rig.events.wait(ev.JobEnded, has_been_posted)
    assert len(receivers.posts) == 4
    assert len(set(receivers.ids)) == 1
    timestamps = [int(post.headers["webhook-timestamp"]) for post in receivers.posts]
    assert timestamps == sorted(timestamps)
    assert len({post.headers["webhook-signature"] for post in receivers.posts}) == len(set(timestamps))
    assert len({post.body for post in receivers.posts}) == 1


@virtually
async def test_a_receiver_says_when(rig):
    receivers = Receivers(Answer(429, "100"), Answer(200))
    callbacks, _ = serve(rig, receivers)

    @rig.task()
    async def job() -> None: ...

    await rig.send(job, callback=URL)
    async with rig.working(callbacks=callbacks):
        await rig.events.wait(ev.JobEnded, has_been_posted)
    assert 100 <= receivers.times[1] - receivers.times[0] < 115


@virtually
async def test_a_receiver_that_is_gone_is_asked_once(rig):
    callbacks, receivers = serve(rig, Receivers(Answer(410)))

    @rig.task()
    async def job() -> None: ...

    await rig.send(job, callback=URL)
    await rig.drain(callbacks=callbacks)
    assert len(receivers.posts) == 1
    record = await rig.record(receivers.ids[0])
    assert record.status is JobStatus.DISCARDED
    assert record.failure.message == "https://shop.example answered 410: it wants no callbacks"
    assert rig.messages() == []


@virtually
async def test_after_the_last_try_it_is_a_dead_letter_that_shows_no_secret(rig):
    retry = Retry(max_attempts=3, backoff=exponential(10, 100))
    callbacks, receivers = serve(rig, Receivers(CallbackFailed(f"{URL} is away")), retry=retry)

    @rig.task()
    async def job() -> None: ...

    await rig.send(job, callback=URL)
    async with rig.working(callbacks=callbacks):
        await rig.events.wait(ev.DeadLettered)
    annotation = rig.dead_letter()
    assert (annotation.task, annotation.reason, annotation.attempts) == (CALLBACK_TASK, "exhausted", 3)
    assert "s3cret" not in annotation.encode()
    assert len(receivers.posts) == 3
    failures = rig.events.of(ev.JobEnded, lambda event: isinstance(event.outcome, Failed))
    assert not any("s3cret" in repr(event) for event in failures)


@virtually
async def test_a_callback_to_where_none_may_go_is_never_posted_by_its_job_either(rig):
    """S21: anybody who can send messages can write one of these; the allow-list is asked where it is posted."""
    callbacks, receivers = serve(rig)
    await rig.send(CALLBACK_TASK, url="https://evil.example/", body="{}")
    await rig.drain(callbacks=callbacks)
    assert receivers.posts == []
    assert rig.dead_letter().error_type == "sqsjobs.errors.CallbackRefused"


# Refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "http://shop.example/", "file:///etc/passwd", "https://127.1/"]
)
@virtually
async def test_a_message_whose_callback_is_not_allowed_is_parked_and_then_dead_lettered_unrun(rig, url):
    """S21: the message may be forged, or the worker's configuration old, as in a deployment."""
    callbacks, receivers = serve(rig)

    @rig.task()
    async def job() -> None: ...

    await rig.send(job, callback=url)
    async with rig.working(callbacks=callbacks, park_for=300):
        settled = await rig.events.wait(ev.JobSettled)
        assert isinstance(settled.outcome, Unknown)
        assert settled.disposition == "hide"
        await rig.events.wait(ev.DeadLettered)
    assert rig.dead_letter().reason == "callback-refused"
    assert rig.events.count(ev.JobStarted) == 0
    assert receivers.posts == []


# What a callback has ---------------------------------------------------------------------------------


@pytest.mark.parametrize("with_store", [True, False])
@virtually
async def test_a_large_result_is_left_out(rig, with_store):
    if not with_store:
        rig.store = None
    callbacks, receivers = serve(rig, result_bytes=100)

    @rig.task()
    async def job(n: int) -> str:
        return "x" * n

    for n in (98, 99):  # and two quotation marks
        await rig.send(job, n=n, callback=URL)
    await rig.drain(callbacks=callbacks)
    told = sorted((each["data"] for each in receivers.read(rig)), key=lambda data: "result" in data)
    assert "result" not in told[0]
    assert told[0]["result_left_out"] is True
    assert told[1]["result"] == "x" * 98
    assert "result_left_out" not in told[1]


@virtually
async def test_a_result_that_has_no_json_fails_no_job_that_keeps_none(rig):
    rig.store = None
    callbacks, receivers = serve(rig)

    @rig.task()
    async def job():
        return object()

    await rig.send(job, callback=URL)
    await rig.drain(callbacks=callbacks)
    (told,) = receivers.read(rig)
    assert (told["type"], told["data"]["result_left_out"]) == ("job.succeeded", True)


async def test_a_child_process_tells_its_result_where_no_store_keeps_it(rig):
    """And what it cannot tell fails no job."""
    rig.store = None
    callbacks, receivers = serve(rig)
    rig.know(pills.raises)
    for what in ("told", "not json"):
        await rig.send(pills.raises, what=what, callback=URL)
    await rig.drain(callbacks=callbacks, processes=1)
    told = {each["data"].get("result"): each["type"] for each in receivers.read(rig)}
    assert told == {"told": "job.succeeded", None: "job.succeeded"}


@virtually
async def test_a_slow_receiver_holds_up_no_group(rig):
    """On a FIFO queue the callback is in a group of its own, so that the next job of the group need not wait for it."""
    callbacks, receivers = serve(rig, Receivers(Answer(500), Answer(500), Answer(200)))
    done: list[int] = []

    @rig.task(queue="work.fifo")
    async def job(n: int) -> None:
        done.append(n)

    for n in range(3):
        await rig.send(job, n=n, group="g", callback=URL)
    async with rig.working("work.fifo", callbacks=callbacks):
        await rig.events.wait(ev.JobEnded, has_been_posted, count=3)
    assert done == [0, 1, 2]
    assert len(set(receivers.ids)) == 3


@virtually
async def test_the_body_is_what_was_signed(rig):
    callbacks, receivers = serve(rig)

    @rig.task()
    async def job() -> str:
        return 'é "quoted" \ufffe \u2028'

    await rig.send(job, callback=URL)
    await rig.drain(callbacks=callbacks)
    (told,) = receivers.read(rig)
    assert told["data"]["result"] == 'é "quoted" \ufffe \u2028'
    assert json.loads(receivers.posts[0].body) == told
