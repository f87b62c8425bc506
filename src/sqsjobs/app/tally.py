"""The account of an `enqueue_many`: every call is accepted, rejected or uncertain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from sqsjobs.errors import EnqueueManyError, EnqueueUncertain, RejectedCall, UncertainCall
from sqsjobs.handle import JobHandle
from sqsjobs.producer import Enqueued, NotEnqueued, SendOutcome

__all__ = ["Tally"]

R = TypeVar("R")


class Tally(Generic[R]):
    """The calls of one `enqueue_many`, each in one of three lists.

    Args:
        handle: makes the handle of a job that was enqueued.

    Attributes:
        count: how many calls have their outcome.
        accepted: the handles of the jobs that SQS has.
    """

    def __init__(self, handle: Callable[[Enqueued], JobHandle[R]]) -> None:
        self._handle = handle
        self.count = 0
        self.accepted: list[JobHandle[R]] = []
        self._rejected: list[RejectedCall] = []
        self._uncertain: list[UncertainCall] = []

    def add(self, outcome: SendOutcome) -> None:
        """Count the outcome of the next call."""
        match outcome:
            case Enqueued():
                self.accepted.append(self._handle(outcome))
            case NotEnqueued(job_id=job_id, error=EnqueueUncertain() as error):
                self._uncertain.append(UncertainCall(self.count, job_id, error))
            case NotEnqueued(job_id=job_id, error=error):
                self._rejected.append(RejectedCall(self.count, job_id, error))
        self.count += 1

    @property
    def is_complete(self) -> bool:
        """Whether all were accepted."""
        return len(self.accepted) == self.count

    def error(self) -> EnqueueManyError:
        """Return the error that accounts for every call."""
        return EnqueueManyError(accepted=self.accepted, rejected=self._rejected, uncertain=self._uncertain)
