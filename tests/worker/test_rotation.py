"""Keys of signatures and encryption are exchanged while jobs flow, in processes that reload at different times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final, TypeAlias

from tests.canaries import canary_key
from tests.worker.rig import Rig
from tests.worker.virtual import virtually

from sqsjobs import AesKey, Encryption, HmacKey, Retry, Signing, constant, current_job
from sqsjobs.sealing import Sealing

Ring: TypeAlias = tuple[str, ...]
"""Names of keys; the first signs and encrypts."""

ADDED: Final[Ring] = ("old", "new")
SWITCHED: Final[Ring] = ("new", "old")
ROTATION: Final[Sequence[Ring]] = (("old",), ADDED, SWITCHED, ("new",))
"""The steps of docs/security.md, each of which everybody has taken before the next one begins."""
RELOADED: Final = 20.0
"""Seconds in which everybody has reloaded, each at a moment of its own."""
SIDES: Final = 3
"""Producers, and workers."""


def layers(rig: Rig, ring: Ring) -> Sealing:
    return Sealing(
        signing=Signing([HmacKey(name, canary_key(f"SIGN{name}")) for name in ring]),
        encryption=Encryption([AesKey(name, canary_key(f"HIDE{name}")) for name in ring]),
        clock=rig.clock,
    )


class Drill:
    """Producers that send all the time, workers, and the steps that they take."""

    def __init__(self, rig: Rig, steps: Sequence[Ring]) -> None:
        self.rig = rig
        self.steps = steps
        self.begun = [asyncio.Event() for _ in range(len(steps) + 1)]
        """One for each step, and one for the end."""
        self.sent: dict[int, str] = {}
        """The number of each job, and the key that it was sealed by."""
        self.done: list[int] = []
        self._random = Random(5)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as everybody:
            for number in range(SIDES):
                everybody.create_task(self._produce(self._delays()))
                everybody.create_task(self._work(f"w{number}", self._delays()))
            for begun in self.begun[1:-1]:
                begun.set()
                await asyncio.sleep(RELOADED)
                await self._until_the_last_key_is_used_up()
            self.begun[-1].set()

    def _delays(self) -> list[float]:
        return [self._random.uniform(0, RELOADED) for _ in self.begun]

    async def _until_the_last_key_is_used_up(self) -> None:
        """Wait, as one does before a key is retired, until nothing is on its way that a key sealed which seals no more."""
        sealing = {ring[0] for ring in self.steps[sum(it.is_set() for it in self.begun) :]}
        until = self.rig.clock.now() + 60
        while self.rig.clock.now() < until and not {n for n, key in self.sent.items() if key not in sealing} <= {
            *self.done
        }:
            await asyncio.sleep(1)

    async def _produce(self, delays: list[float]) -> None:
        for step, ring in enumerate(self.steps):
            reloading = asyncio.ensure_future(self._reload(step + 1, delays))
            sealing = layers(self.rig, ring)
            while not reloading.done():
                self.sent[number := len(self.sent)] = ring[0]
                job = self.rig.job("count", n=number)
                await self.rig.send_body(await sealing.seal(job))
                await asyncio.sleep(0.1 + self._random.random())

    async def _work(self, name: str, delays: list[float]) -> None:
        for step, ring in enumerate(self.steps):
            async with self.rig.working(sealing=layers(self.rig, ring), name=f"{name}-{step}", grace=2.0):
                await self._reload(step + 1, delays)
        await self.rig.drain(sealing=layers(self.rig, self.steps[-1]), name=f"{name}-last")

    async def _reload(self, step: int, delays: list[float]) -> None:
        await self.begun[step].wait()
        await asyncio.sleep(delays[step])


async def rotated(rig: Rig, steps: Sequence[Ring]) -> Drill:
    drill = Drill(rig, steps)

    @rig.task(name="count", retry=Retry(max_attempts=3, backoff=constant(2)))
    async def count(n: int) -> None:
        await asyncio.sleep(n % 4)
        if n % 7 == 0 and current_job().attempt == 1:
            raise ValueError("once more, perhaps where other keys are known by then")
        drill.done.append(n)

    await drill.run()
    return drill


@virtually
async def test_keys_are_exchanged_under_load_and_nothing_is_refused_or_lost(rig: Rig) -> None:
    """S5, S6: the keys of signatures and those of encryption together; retries and stops go on meanwhile."""
    drill = await rotated(rig, ROTATION)
    assert len(drill.sent) > 300
    assert set(drill.sent.values()) == {"old", "new"}
    assert sorted(drill.done) == sorted(drill.sent)
    assert list(rig.dead_letters()) == []


@virtually
async def test_a_step_that_is_left_out_is_noticed(rig: Rig) -> None:
    """S6: the drill would see it: what somebody has no key for is dead-lettered with that reason, and not lost."""
    drill = await rotated(rig, [ring for ring in ROTATION if ring != ADDED])
    letters = [annotation.reason for _, annotation in rig.dead_letters()]
    assert set(letters) == {"unknown-key"}
    assert len(letters) + len(drill.done) == len(drill.sent)
