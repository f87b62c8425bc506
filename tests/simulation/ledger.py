"""What truly happened in a run, whoever knew it: sends, receipts, runs, records, letters. And the trace to read it by.

The ledger is written by those who see the truth: the model of SQS (`witness`), the network, the jobs' own functions,
the job store. What the workers believe is in it only as what they said.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf

from sqsjobs.store.base import JobRecord

__all__ = ["Arrival", "Ledger", "Line", "Receipt", "Run", "Span"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the trace; `about` are the jobs and messages that it concerns."""

    at: float
    who: str
    text: str
    about: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.at:10.3f}  {self.who:<9} {self.text}"


@dataclass(slots=True, eq=False)
class Span:
    """A time in which a machine, or a service, was not what it should be."""

    kind: str
    who: str
    begin: float
    end: float = inf

    def meets(self, begin: float, end: float) -> bool:
        """Whether it has a moment in common with that time."""
        return self.begin <= end and begin <= self.end


@dataclass(slots=True, eq=False)
class Arrival:
    """A message that SQS has taken in.

    Attributes:
        sender: the machine that sent it.
        job_id: of the job that it carries, or empty.
        gone: why it is no longer in the queue, and `gone_at` when.
    """

    message_id: str
    queue: str
    at: float
    sender: str
    job_id: str
    group: str | None
    visible_at: float
    gone: str = ""
    gone_at: float = inf


@dataclass(slots=True, eq=False)
class Receipt:
    """One receipt of a message.

    Attributes:
        number: how often the message had been given out, this time included.
        due: until when SQS hides it.
        holder: the machine that got it; empty if the answer came to nobody.
        asked_at: when that machine had asked.
        deadline: until when the machine may believe that it is hidden, and `deadlines` since when it may.
        over: why the machine has the message no longer, as far as it knows, and `over_at` since when.
        lost: why it lost its lease, and `lost_at` when.
        changed_at: when a visibility change of the machine's was answered last.
        changing: visibility changes under way.
        faults: what went wrong with it.
    """

    message_id: str
    number: int
    queue: str
    at: float
    due: float
    holder: str = ""
    asked_at: float = 0.0
    deadline: float = 0.0
    over: str = ""
    over_at: float = inf
    lost: str = ""
    lost_at: float = inf
    changed_at: float = inf
    changing: int = 0
    faults: list[str] = field(default_factory=list)
    deadlines: list[tuple[float, float]] = field(default_factory=list)

    def extend(self, now: float, deadline: float) -> None:
        """Note that the machine may believe longer in it."""
        self.deadline = max(self.deadline, deadline)
        self.deadlines.append((now, self.deadline))

    @property
    def had_at(self) -> float:
        """When the machine had it."""
        return min((since for since, _ in self.deadlines), default=inf)

    def deadline_at(self, moment: float) -> float:
        """Return until when the machine could believe in it at that time."""
        return max((deadline for since, deadline in self.deadlines if since <= moment), default=0.0)


@dataclass(slots=True, eq=False)
class Run:
    """One start of a job's function, and its end.

    Attributes:
        how: how it ended: "returned", "cancelled", "killed" with its machine, "going on", or what it raised.
        outcome: as its worker saw it.
        settled: what the worker said that it did with the message, `settled_at` when; hidden for `delay` seconds.
    """

    job_id: str
    number: int
    task: str
    machine: str
    message_id: str
    receipt: Receipt | None
    attempt: int
    token: int
    started: float
    ended: float = inf
    how: str = "going on"
    outcome: str = ""
    settled: str = ""
    settled_at: float = inf
    delay: float = 0.0


class Ledger:
    """Keeps it all. After `close`, what the undone say is not written down.

    Attributes:
        lines: the trace.
        counts: what happened how often.
        spans: times of trouble.
        arrivals: the messages that SQS took in, by id.
        copies: those of each job (of a foreign message: itself) in the queues …
        letters: … and in the dead-letter queues.
        receipts: of each message, in order.
        by_handle: the receipts by their handles.
        runs: of each job, in order.
        writes: of each job's record, in order.
        removed: the jobs whose records were removed.
        store_faults: the calls for each job that the job store did not answer: when, and which.
        gone_at: when each machine that has gone ended.
        answers: what the producer was told of each job, by number: accepted, rejected or uncertain, and its id.
        violations: the invariants that did not hold, how, and about what.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._names: dict[str, str] = {}
        self._open = True
        self.lines: list[Line] = []
        self.counts: Counter[str] = Counter()
        self.spans: list[Span] = []
        self.arrivals: dict[str, Arrival] = {}
        self.copies: defaultdict[str, list[Arrival]] = defaultdict(list)
        self.letters: defaultdict[str, list[Arrival]] = defaultdict(list)
        self.receipts: defaultdict[str, list[Receipt]] = defaultdict(list)
        self.by_handle: dict[str, Receipt] = {}
        self.runs: defaultdict[str, list[Run]] = defaultdict(list)
        self.writes: defaultdict[str, list[tuple[float, JobRecord]]] = defaultdict(list)
        self.gone_at: dict[str, float] = {}
        self._last_faults: dict[str, float] = {}
        self.removed: set[str] = set()
        self.store_faults: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
        self.answers: dict[int, tuple[str, str]] = {}
        self.violations: list[tuple[str, str, tuple[str, ...]]] = []

    @property
    def now(self) -> float:
        """The time."""
        return self._now()

    def close(self) -> None:
        """Write nothing any more."""
        self._open = False

    @property
    def is_open(self) -> bool:
        """Whether it is still written."""
        return self._open

    # The trace

    def tell(self, who: str, text: str, *about: str) -> None:
        """Add a line to the trace."""
        if self._open:
            self.lines.append(Line(self._now(), who, text, about))

    def name(self, thing: str, kind: str = "") -> str:
        """Return the short name of a job or a message; given one, if `kind` says so."""
        short = self._names.get(thing)
        if short is None:
            if not kind:
                return thing[:12]
            short = self._names[thing] = f"{kind}{len(self._names)}"
        return short

    def call_it(self, thing: str, name: str) -> None:
        """Give a thing its short name."""
        self._names.setdefault(thing, name)

    def digest(self) -> str:
        """Return a hash of the whole trace."""
        digest = hashlib.sha256()
        for line in self.lines:
            digest.update(str(line).encode())
        return digest.hexdigest()[:16]

    def about(self, things: Iterable[str]) -> list[Line]:
        """Return the lines that concern any of `things`, or everybody."""
        wanted = self._related(set(things))
        return [line for line in self.lines if not line.about or wanted.intersection(line.about)]

    def _related(self, things: set[str]) -> set[str]:
        """Add the messages of jobs, and the jobs of messages."""
        related = set(things)
        for arrival in self.arrivals.values():
            if arrival.job_id in things or arrival.message_id in things:
                related |= {arrival.job_id, arrival.message_id}
        return related

    def break_(self, invariant: str, text: str, *about: str) -> None:
        """Note that an invariant does not hold."""
        if self._open:
            self.violations.append((invariant, text, about))
            self.tell("!", f"{invariant}: {text}", *about)

    # What is noted as it happens

    def begin(self, kind: str, who: str) -> Span:
        """Note that a time of trouble begins."""
        span = Span(kind, who, self._now())
        self.spans.append(span)
        self.counts[kind] += 1
        self.tell(who, kind)
        return span

    def end(self, span: Span) -> None:
        """Note that it is over."""
        span.end = self._now()
        self.tell(span.who, f"end of {span.kind}")

    def trouble(self, who: str, begin: float, end: float) -> list[str]:
        """Return what troubled `who` (or all) in that time."""
        return [span.kind for span in self.spans if span.who in (who, "sqs", "store") and span.meets(begin, end)]

    def store_failed(self, job_id: str, begin: float, end: float) -> bool:
        """Whether the job store was away in that time, or did not answer to a call for this job."""
        faults = self.store_faults.get(job_id, ())
        away = (span for span in self.spans if span.who == "store")
        return any(begin <= at <= end for at, _ in faults) or any(span.meets(begin, end) for span in away)

    def last_fault(self, who: str) -> float:
        """Return when a call of `who` went wrong last."""
        return self._last_faults.get(who, 0.0)

    def note_fault(self, who: str) -> None:
        """Note that a call of `who` went wrong."""
        self._last_faults[who] = self._now()

    def message_of(self, receipt: Receipt) -> str:
        """Return how the trace calls a receipt."""
        return f"{self.name(receipt.message_id)}#{receipt.number}"

    def job_in(self, body: str) -> str:
        """Return the id of the job in a message body, or nothing; the job gets its short name."""
        try:
            envelope = json.loads(body)
        except ValueError:
            return ""
        job_id = envelope.get("id", "") if isinstance(envelope, dict) else ""
        if job_id:
            self.call_it(job_id, f"j{envelope['args']['number']}")
        return str(job_id)
