"""A message in hand: its delivery, its lease, and the run it leads to. The stages pass it on and keep nothing else."""

from __future__ import annotations

from asyncio import Task as AsyncioTask
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from sqsjobs.job import Job
from sqsjobs.task import Task
from sqsjobs.transport.base import Delivery
from sqsjobs.worker.lease import Lease
from sqsjobs.worker.line import Line
from sqsjobs.worker.run import Run

__all__ = ["Held"]

_NO_ARGUMENTS: Final[Mapping[str, Any]] = MappingProxyType({})


class Held(msgspec.Struct, eq=False):
    """A message in hand, from its receipt until it is settled.

    Attributes:
        delivery: the newest receipt of the message.
        lease: the right to work on it.
        job: what its body says, once it is read.
        task: the task it names, if this worker knows it.
        arguments: the decoded arguments.
        run: the attempt under way, once it has begun.
        line: its line to the worker, where records are kept.
        epoch: the job store's fencing token; 0 without a claim.
        attempt: which attempt it is; 0 before.
        crashes: how often the job took a process down.
        deleted: whether SQS has confirmed that it is deleted.
        settled: whether its disposition was carried out, or somebody else has taken that over.
        life: the asyncio task that lives its life, kept from the garbage collector.
    """

    delivery: Delivery
    lease: Lease
    job: Job | None = None
    task: Task[..., Any] | None = None
    arguments: Mapping[str, Any] = _NO_ARGUMENTS
    run: Run | None = None
    line: Line | None = None
    epoch: int = 0
    attempt: int = 0
    crashes: int = 0
    deleted: bool = False
    settled: bool = False
    life: AsyncioTask[None] | None = None

    def __repr__(self) -> str:  # arguments belong into no log
        return f"<Held {self.delivery!r}: {self.job or 'not read'}>"

    @property
    def wants_callback(self) -> bool:
        """Whether its job's outcome is to be posted somewhere."""
        return self.job is not None and self.job.callback is not None
