"""Takes the randomness and the threads out of a run: what the code draws from the operating system comes from the seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from unittest.mock import patch
from uuid import UUID

from tests.simulation.stage import VirtualThreads

from sqsjobs.job import JobId

__all__ = ["seeded"]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Take job ids, attempt ids and the producer's jitter from `seed`; let plain functions run in virtual threads."""
    random = Random(f"ids {seed}")

    def new_uuid() -> UUID:
        return UUID(int=random.getrandbits(128))

    with ExitStack() as stack:
        stack.enter_context(patch("sqsjobs.producer.producer.new_job_id", lambda: JobId(str(new_uuid()))))
        stack.enter_context(patch("sqsjobs.producer.producer.Random", lambda: Random(random.random())))
        stack.enter_context(patch("sqsjobs.worker.poller.uuid4", new_uuid))
        stack.enter_context(patch("sqsjobs.worker.executor.ThreadPoolExecutor", VirtualThreads))
        yield
