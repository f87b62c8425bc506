"""Workers over sealed messages: what is refused is dead-lettered at once, and what a worker sends itself is sealed again."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

from msgspec.structs import replace
from tests.sealing.samples import NEW, OLD, PRIVATE, sealing
from tests.worker.virtual import virtually

from sqsjobs import HmacKey, Retry, Snooze
from sqsjobs import events as ev
from sqsjobs.annotation import ANNOTATION, Annotation
from sqsjobs.cli.dead_letters import DeadLetters, Place, Redrive
from sqsjobs.envelope import encode
from sqsjobs.job import JobStatus


async def send_sealed(rig, layers, of, **fields):
    job = rig.job(of, **fields)
    await rig.send_body(await layers.seal(job), queue=job.queue)
    return job


@virtually
async def test_what_is_not_signed_is_dead_lettered_unrun(rig):
    """S3: at once, unchanged, with the reason in its annotation; R47: without a retry; a signed one runs."""
    layers = sealing(NEW, clock=rig.clock)

    @rig.task()
    async def add(a: int) -> int:
        return a

    good = await send_sealed(rig, layers, add, a=1)
    forged = rig.job(add, a=2)
    wire = json.loads(await layers.seal(forged))
    changed = json.dumps({**wire, "content": wire["content"].replace("2", "3", 1)})
    elsewhere = await layers.seal(replace(forged, queue="other"))
    for body in (encode(forged), changed, elsewhere, await sealing(OLD, clock=rig.clock).seal(forged)):
        await rig.send_body(body)
    await rig.drain(sealing=layers)
    assert sorted(annotation.reason for _, annotation in rig.dead_letters()) == [
        "bad-signature",
        "unknown-key",
        "unsigned",
        "wrong-queue",
    ]
    assert [event.job.id for event in rig.events.of(ev.JobStarted)] == [good.id]
    assert {event.job_id for event in rig.events.of(ev.DeadLettered)} == {None}
    assert rig.messages() == []


@virtually
async def test_what_a_worker_sends_anew_is_sealed_again(rig):
    """S4: a retry beyond the visibility ceiling is another message, signed for another fortnight, and runs."""
    layers = sealing(NEW, clock=rig.clock, valid_for=2 * 3600.0)
    runs = []

    @rig.task(retry=Retry(max_attempts=3))
    async def patient() -> None:
        runs.append(rig.clock.wall())
        if len(runs) == 1:
            raise Snooze(1.5 * 3600)

    job = await send_sealed(rig, layers, patient)
    async with rig.working(sealing=layers):
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "resend")
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "delete", within=3 * 3600.0)
    assert len(runs) == 2
    assert runs[1] - runs[0] >= 1.5 * 3600 - 1
    assert (await rig.record(job.id)).status is JobStatus.SUCCEEDED
    assert list(rig.dead_letters()) == []


@virtually
async def test_a_worker_that_only_verifies_keeps_what_it_cannot_send(rig):
    """S3: without a private key it hides the message where another would send it anew."""
    runs = []

    @rig.task()
    async def patient() -> None:
        runs.append(rig.clock.wall())
        if len(runs) == 1:
            raise Snooze(1.5 * 3600)

    await send_sealed(rig, sealing(PRIVATE, clock=rig.clock), patient)
    async with rig.working(sealing=sealing(PRIVATE.public, clock=rig.clock)):
        hidden = await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "hide")
        assert hidden.delay == 1.5 * 3600
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "delete", within=3 * 3600.0)
    assert len(runs) == 2


async def redriven(rig, layers, *, expired: bool = False) -> list[str]:
    redrive = Redrive(rig.transport, rig.store, layers, rate=1e6)
    problems = []
    place = Place("work-dlq", "work", ("work", "other"), layers, expired)
    async with DeadLetters(rig.transport, place, wait=0) as letters:
        async for batch in letters.batches(100):
            problems += [fate.problem for fate in await redrive.carry_out(batch, letters, now=rig.clock.wall())]
    return problems


@virtually
async def test_a_redriven_job_is_sealed_anew_and_runs(rig):
    """S27: what failed comes back from the dead-letter queue signed by whoever sends it back."""
    layers = sealing(NEW, OLD, clock=rig.clock)
    healthy: list[int] = []

    @rig.task(retry=Retry(max_attempts=1))
    async def fragile() -> None:
        if not healthy:
            raise ValueError("not yet")

    job = await send_sealed(rig, sealing(OLD, clock=rig.clock), fragile)
    await rig.drain(sealing=layers)
    assert rig.dead_letter().reason == "exhausted"
    healthy.append(1)
    assert await redriven(rig, layers) == [""]
    (message,) = rig.messages()
    assert json.loads(json.loads(message.body)["header"])["signed"]["key"] == NEW.id
    await rig.drain(sealing=layers)
    assert (await rig.record(job.id)).status is JobStatus.SUCCEEDED


@virtually
async def test_letters_of_a_shared_dead_letter_queue_are_verified_for_their_own(rig):
    """S27: the annotation says for which of the app's queues; a false one is found out by the signature."""
    layers = sealing(NEW, clock=rig.clock)
    job = rig.job("add", queue="other", a=1)
    for named in ("other", "work"):
        note = Annotation("exhausted", named, "w1", "now", task="add", job_id=job.id)
        await rig.send_body(await layers.seal(job), queue="work-dlq", **{ANNOTATION: note.encode()})
    problems = sorted(await redriven(rig, layers))
    assert problems[0] == ""
    assert "sealed for queue 'other', and came in 'work'" in problems[1]
    assert (len(rig.messages("other")), len(rig.messages("work"))) == (1, 0)


@virtually
async def test_redriving_verifies_as_receiving_does(rig):
    """S27: what was altered, or brought, into the dead-letter queue stays there; so does what has expired, unless it is meant."""
    layers = sealing(NEW, clock=rig.clock, valid_for=60)
    job = rig.job("add", a=1)
    sealed = await layers.seal(job)
    altered = sealed.replace('\\"a\\":1', '\\"a\\":2')
    assert altered != sealed
    for body in (altered, encode(job), await layers.seal(replace(job, queue="other"))):
        await rig.send_body(body, queue="work-dlq")
    problems = await redriven(rig, layers)
    assert len(problems) == 3
    assert all(problem.startswith("it carries no job") for problem in problems)
    assert rig.messages() == []
    await rig.send_body(sealed, queue="work-dlq")
    await asyncio.sleep(61)  # virtual
    assert sum("its seal has expired" in problem for problem in await redriven(rig, layers)) == 1
    assert sum(problem == "" for problem in await redriven(rig, layers, expired=True)) == 1
    assert len(rig.messages()) == 1


@virtually
async def test_keys_rotate_while_jobs_flow(rig):
    """S6: the drill of docs/security.md, old and new workers side by side at each step: nothing is refused, nothing lost."""
    ran: list[int] = []

    @rig.task(retry=Retry(max_attempts=1))
    async def count(n: int) -> None:
        ran.append(n)

    async def step(rings: list[tuple[HmacKey, ...]], signers: list[HmacKey]) -> None:
        async with AsyncExitStack() as workers:
            for place, ring in enumerate(rings):
                layers = sealing(*ring, clock=rig.clock)
                await workers.enter_async_context(rig.working(sealing=layers, name=f"{len(sent)}-{place}"))
            for signer in signers * 100:
                sent.append(len(sent))
                await send_sealed(rig, sealing(signer, clock=rig.clock), count, n=sent[-1])
                await asyncio.sleep(0.05)

    sent: list[int] = []
    await step([(OLD,)], [OLD])
    await step([(OLD,), (OLD, NEW)], [OLD])  # workers learn the new key
    await step([(OLD, NEW), (NEW, OLD)], [OLD, NEW])  # producers begin to sign with it
    await rig.drain(sealing=sealing(NEW, OLD, clock=rig.clock))  # what the old one signed has run, or expired
    await step([(NEW, OLD), (NEW,)], [NEW])  # and it goes
    await rig.drain(sealing=sealing(NEW, clock=rig.clock))
    assert sorted(ran) == sent == list(range(500))
    assert list(rig.dead_letters()) == []
