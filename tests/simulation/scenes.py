"""Makes scenarios of seeds: which scene a seed is played in, and what is drawn for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from tests.simulation.scenario import PARK_FOR, Act, ActKind, Blow, Foreign, Kind, Play, Scenario

from sqsjobs.transport.model import StaleHandles

__all__ = ["scenario_of"]


def scenario_of(seed: int, kind: Kind | None = None) -> Scenario:
    """Return what `seed` stands for; `kind` puts it into another scene."""
    random = Random(f"scenario {seed}")
    chosen = kind or _kind(seed)
    match chosen:
        case "wall":
            return _wall(seed, random)
        case "retention":
            return _retention(seed, random)
        case "fortnight":
            return _fortnight(seed, random)
        case "dependency":
            return _dependency(seed, random)
        case "contest":
            return _contest(seed, random)
        case _:
            return _stormy(seed, chosen, random)


def _kind(seed: int) -> Kind:
    """Three in ten are FIFO, two have no store, one is a contest; now and then one is long."""
    long: dict[int, Kind] = {49: "dependency", 124: "retention", 249: "wall", 374: "retention", 499: "fortnight"}
    if seed % 500 in long:
        return long[seed % 500]
    usual: tuple[Kind, ...] = ("standard", "fifo", "standard", "without-store", "contest")
    return (*usual, "standard", "fifo", "standard", "fifo", "without-store")[seed % 10]


# The usual scene ------------------------------------------------------------------------------------


def _stormy(seed: int, kind: Kind, random: Random) -> Scenario:
    fifo = kind == "fifo"
    queues = ("work.fifo",) if fifo else ("work", "bulk") if random.random() < 0.3 else ("work",)
    calm = random.random() < 0.08
    storm = random.uniform(30, 120)
    visibility = random.choice((10.0, 20.0, 30.0))
    workers = random.randint(2, 4)
    rate = 0.0 if calm else random.choice((0.0, 0.02, 0.06, 0.15, 0.3))
    wild = random.random() < 0.1
    return Scenario(
        seed=seed,
        kind=kind,
        tracking="off" if kind == "without-store" else random.choice(("full", "full", "full", "worker")),
        queues=queues,
        workers=tuple(_options(random, visibility, fifo=fifo) for _ in range(workers)),
        plays=tuple(_plays(random, queues, visibility, storm, count=random.randint(25, 77))),
        foreign=tuple(_foreign(random, queues, storm)),
        storm=storm,
        fault_rate=rate,
        store_fault_rate=0.0 if calm else random.choice((0.0, 0.0, 0.02, 0.1)),
        blows=() if calm else tuple(_blows(random, storm, visibility, has_store=kind != "without-store")),
        skews=tuple(random.uniform(-600, 600) if wild else random.uniform(-0.4, 0.4) for _ in range(8)),
        stale_handles=random.choice(tuple(StaleHandles)),
        bulk=random.choice((0.0, 0.3, 1.0)),
        old_workers=random.choice((0.0, 0.0, 0.5)),
        max_in_flight=random.choice((120_000, 120_000, 120_000, 25)),
    )


def _options(random: Random, visibility: float, *, fifo: bool) -> dict[str, Any]:
    return {
        "concurrency": random.choice((1, 2, 4, 10)),
        "visibility": visibility,
        "wait": random.choice((2, 5, 10)),
        "grace": random.choice((1.0, 5.0, 15.0)),
        "delete_linger": random.choice((0.0, 0.05, 0.5)),
        "prefetch": random.choice(("auto", 0)),
        "park_for": PARK_FOR,
        "lag_warning": 60.0,  # nothing blocks a virtual loop
        "result_grace": random.choice((2.0, 30.0, 300.0)),
        "fifo_receive": random.choice((1, 1, 4, 10)) if fifo else 1,
    }


_PARTS: dict[str, int] = {
    "quick": 40,
    "long": 8,
    "flaky": 14,
    "hopeless": 6,
    "snoozing": 6,
    "patient": 4,
    "discarding": 3,
    "rejecting": 3,
    "slow": 5,
    "stubborn": 4,
    "novel": 3,
    "threaded": 6,
    "pill": 1,
}


def _plays(random: Random, queues: tuple[str, ...], visibility: float, storm: float, *, count: int) -> Iterator[Play]:
    groups = random.randint(1, 8)
    at = 0.0
    for number in range(count):
        if random.random() < 0.3:
            at = random.uniform(0, storm * 0.8)
        queue = random.choice(queues)
        fifo = queue.endswith(".fifo")
        part = random.choices(tuple(_PARTS), tuple(_PARTS.values()))[0]
        task, acts = _part(random, part, visibility)
        yield Play(
            number=number,
            task=task,
            acts=acts,
            at=at,
            queue=queue,
            delay=float(random.randint(1, 20)) if not fifo and random.random() < 0.15 else 0.0,
            group=f"g{random.randrange(groups)}" if fifo else None,
        )


def _part(random: Random, part: str, visibility: float) -> tuple[str, tuple[Act, ...]]:
    quick = Act(seconds=random.choice((0.0, 0.05, 0.5, 2.0)) * random.random())
    failing = tuple(Act("raise", random.random()) for _ in range(random.randint(1, 3)))
    match part:
        case "long":
            return "steady", (Act(seconds=visibility * random.uniform(1.1, 3)),)
        case "flaky":
            return random.choice(("steady", "hasty")), (*failing[:2], quick)
        case "hopeless":
            return random.choice(("steady", "hasty", "careless")), (Act("raise", random.random()),)
        case "snoozing":
            return "steady", (Act("snooze", 0.1, random.uniform(0, 2 * visibility)), *failing[:1], quick)
        case "patient":
            return "hasty", (Act("retry-after", 0.1, random.uniform(0, 2 * visibility)), quick)
        case "discarding":
            return "steady", (*failing[:1], Act("discard", 0.2))
        case "rejecting":
            return "careless", (Act("reject", 0.2),)
        case "slow":
            return "hasty", (Act(seconds=20.0, stubborn=random.choice((0.0, 0.5))), quick)
        case "stubborn":
            seconds = visibility * random.uniform(0.5, 2)
            return random.choice(("steady", "hasty")), (
                Act(seconds=seconds, stubborn=random.choice((1.0, -1.0))),
                quick,
            )
        case "novel":
            return "novel", (quick,)
        case "threaded":
            return "threaded", (Act(seconds=random.choice((0.1, 3.0, 12.0))), quick)
        case "pill":
            return "steady", (Act("kill", random.random()),)
        case _:
            return "steady", (quick,)


def _foreign(random: Random, queues: tuple[str, ...], storm: float) -> Iterator[Foreign]:
    bodies = (
        ("{", "invalid-envelope"),
        ('{"Records": [{"eventSource": "aws:s3"}]}', "invalid-envelope"),
        ('{"sqsjobs": 1, "task": "steady", "args": {"number": "three"}}', "invalid-arguments"),
        ('{"sqsjobs": 1, "task": "never_heard_of", "args": {}}', "unknown-task"),
        ('{"sqsjobs": 9, "task": "steady"}', "unsupported-version"),
    )
    for _ in range(random.randint(0, 3)):
        body, reason = random.choice(bodies)
        yield Foreign(body, reason, random.uniform(0, storm / 2), random.choice(queues))


def _blows(random: Random, storm: float, visibility: float, *, has_store: bool) -> Iterator[tuple[float, Blow, float]]:
    shares: dict[Blow, int] = {
        "kill": 30,
        "suspend": 15,
        "cut-off": 12,
        "stop": 20,
        "stop-at-once": 6,
        "sqs-outage": 4,
        "store-outage": 6 if has_store else 0,
        "step-clock": 4,
        "suspend-producer": 3,
    }
    at = 0.0
    gap = random.choice((6.0, 15.0, 40.0))
    while (at := at + random.expovariate(1 / gap)) < storm:
        blow = random.choices(tuple(shares), tuple(shares.values()))[0]
        yield at, blow, visibility * random.choice((0.2, 0.8, 1.3, 2.5))


def _contest(seed: int, random: Random) -> Scenario:
    """The compare-and-set of the job store: duplicates, lost answers, pauses, and users who cancel."""
    scene = _stormy(seed, "contest", random)
    visibility = scene.workers[0]["visibility"]
    return replace(
        scene,
        tracking="full",
        fault_rate=0.3,
        store_fault_rate=random.choice((0.0, 0.1, 0.3)),
        twice=20,
        blows=tuple(_blows(random, scene.storm, visibility, has_store=True)),
        cancellations=tuple(
            (play.at + random.uniform(0, 2 * visibility), play.number) for play in scene.plays if random.random() < 0.25
        ),
    )


def _dependency(seed: int, random: Random) -> Scenario:
    """What the jobs need is down for an hour; they go on trying, and when it is back not all at once."""
    fifo = random.random() < 0.3
    queue = "work.fifo" if fifo else "work"
    plays = (
        Play(n, "patient", (Act("depend", 0.2),), random.uniform(0, 60), queue, group=f"g{n}" if fifo else None)
        for n in range(40)
    )
    return Scenario(
        seed=seed,
        kind="dependency",
        tracking=random.choice(("full", "off")),
        queues=(queue,),
        workers=tuple({**_options(random, 30.0, fifo=fifo), "wait": 10, "concurrency": 20} for _ in range(2)),
        plays=tuple(plays),
        foreign=(),
        storm=3700.0,
        fault_rate=0.0,
        store_fault_rate=0.0,
        blows=(),
        skews=(0.0,) * 8,
        stale_handles=random.choice(tuple(StaleHandles)),
        down=(30.0, 3630.0),
    )


# Long scenes ----------------------------------------------------------------------------------------


def _wall(seed: int, random: Random) -> Scenario:
    """Jobs of hours: heartbeats up to the end of the 12 hours for which SQS hides a message."""
    hours = 3600.0
    fifo = random.random() < 0.4
    queue = "work.fifo" if fifo else "work"
    lengths = (3 * hours, 11.4 * hours, 11.9 * hours, 13 * hours)
    plays = [
        Play(
            n,
            "steady",
            (Act(seconds=seconds, stubborn=random.choice((0.0, 30.0))), Act()),
            10.0 * n,
            queue,
            group=f"g{n}",
        )
        for n, seconds in enumerate(lengths)
    ]
    return Scenario(
        seed=seed,
        kind="wall",
        tracking=random.choice(("full", "off")),
        queues=(queue,),
        workers=tuple({**_options(random, 900.0, fifo=fifo), "wait": 20, "concurrency": 4} for _ in range(2)),
        plays=tuple(plays if fifo else (Play(p.number, p.task, p.acts, p.at, p.queue) for p in plays)),
        foreign=(),
        storm=13.5 * hours,
        fault_rate=random.choice((0.0, 0.02, 0.1)),
        store_fault_rate=0.0,
        blows=(),
        skews=(0.0,) * 8,
        stale_handles=random.choice(tuple(StaleHandles)),
        patience=3 * hours,
    )


def _retention(seed: int, random: Random) -> Scenario:
    """Retries and snoozes up to the end of the queue's retention."""
    fifo = random.random() < 0.4
    queue = "work.fifo" if fifo else "work"
    storm = 1500.0
    plays = [
        Play(
            number,
            "steady",
            (*(Act(random.choice(("snooze", "retry-after")), 0.5, random.uniform(20, 200)) for _ in range(4)), Act()),
            random.uniform(0, 300),
            queue,
            group=f"g{number}" if fifo else None,
        )
        for number in range(12)
    ]
    return Scenario(
        seed=seed,
        kind="retention",
        tracking=random.choice(("full", "off")),
        queues=(queue,),
        workers=tuple(_options(random, 30.0, fifo=fifo) for _ in range(2)),
        plays=tuple(plays),
        foreign=(),
        storm=storm,
        fault_rate=random.choice((0.0, 0.05)),
        store_fault_rate=0.0,
        blows=(),
        skews=(0.0,) * 8,
        stale_handles=random.choice(tuple(StaleHandles)),
        retention=300,
    )


def _fortnight(seed: int, random: Random) -> Scenario:
    """The longest retention that there is, jobs that go on past it, and workers for a quarter of an hour each half day."""
    day = 86_400.0
    again: tuple[ActKind, ...] = ("snooze", "retry-after")
    plays = (
        Play(
            n,
            "lasting",
            (*(Act(random.choice(again), 0.5, random.uniform(3, 11) * 3600) for _ in range(n)), Act()),
            0,
            "work",
        )
        for n in (1, 5, 12, 24, 28, 30)
    )
    return Scenario(
        seed=seed,
        kind="fortnight",
        tracking=random.choice(("full", "off")),
        queues=("work",),
        workers=({**_options(random, 60.0, fifo=False), "wait": 20, "concurrency": 10},),
        plays=tuple(replace(play, number=number) for number, play in enumerate(plays)),
        foreign=(),
        storm=day,
        fault_rate=random.choice((0.0, 0.05)),
        store_fault_rate=0.0,
        blows=(),
        skews=(0.0,) * 8,
        stale_handles=random.choice(tuple(StaleHandles)),
        retention=14 * 86_400,
        shifts=(day / 2, 900.0),
        patience=20 * day,
    )
