"""What many runs came to: added up, as a table for people and as JSON for other programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from rich.table import Table
from tests.simulation.world import Report

__all__ = ["Tally", "replay_of", "told_of"]

_SENDS = ("accepted", "rejected", "uncertain")
_LOSS = "I1:"
"""How violations begin that tell of a lost job."""


def replay_of(report: Report, forced: str | None = None) -> str:
    """Return the one command that plays a seed again; `forced` is the kind that was asked for."""
    return f"make simulate SEED={report.seed}" + (f" KIND={forced}" if forced else "")


def told_of(report: Report, *, lines: int = 40) -> str:
    """Return what there is to tell of a broken promise: what broke, how to play it again, and the end of the trace."""
    left_out = len(report.trace) - lines
    before = [f"… {left_out} lines before"] if left_out > 0 else []
    return "\n".join([*report.violations, replay_of(report), *before, *report.trace[-lines:]])


@dataclass(slots=True)
class Tally:
    """The sum of reports.

    Attributes:
        forced: the kind that all seeds were played as, or None if each had its own.
        kinds: how many were played of each.
        seconds: of virtual time.
        counts: jobs, attempts, calls, blows, sends.
        ends: of the jobs that SQS had accepted.
        faults: by operation and kind.
        duplicates: runs that nobody had asked for, by cause.
        broken: the reports with violations.
    """

    forced: str | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    broken: list[Report] = field(default_factory=list)
    _digests: dict[int, str] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        """Add a run."""
        self.kinds[report.kind] += 1
        self.seconds += report.seconds
        self.counts += report.counts
        self.ends += report.ends
        self.faults += report.faults
        self.duplicates += report.duplicates
        self._digests[report.seed] = report.digest
        if report.violations:
            self.broken.append(report)

    @property
    def lost(self) -> int:
        """Jobs that SQS had accepted and that came to no end."""
        return sum(violation.startswith(_LOSS) for report in self.broken for violation in report.violations)

    @property
    def digest(self) -> str:
        """A hash of all traces: the same seeds give the same, wherever and whenever they are played."""
        whole = "".join(self._digests[seed] for seed in sorted(self._digests))
        return sha256(whole.encode()).hexdigest()[:16]

    # For other programs

    def as_json(self) -> dict[str, Any]:
        """Return all of it, ready to be written as JSON."""
        by_operation: dict[str, dict[str, int]] = {}
        for (operation, kind), count in sorted(self.faults.items()):
            by_operation.setdefault(operation, {})[kind] = count
        return {
            "seeds": {"played": self.kinds.total(), "first": min(self._digests, default=None), "by_kind": self.kinds},
            "virtual_seconds": round(self.seconds),
            "jobs": self.counts["jobs"],
            "attempts": self.counts["attempts"],
            "calls": {"sqs": self.counts["calls"], "store": self.counts["store calls"]},
            "sends": {outcome: self.counts[f"{outcome} sends"] for outcome in _SENDS},
            "ends": _sorted(self.ends),
            "faults": {"injected": self.faults.total(), "kinds": len(self.faults), "by_operation": by_operation},
            "blows": self._blows(),
            "duplicates": _sorted(self.duplicates),
            "lost": self.lost,
            "violations": [self._violations_of(report) for report in self.broken],
            "digest": self.digest,
        }

    def _blows(self) -> dict[str, int]:
        told = {"jobs", "attempts", "calls", "store calls", *(f"{outcome} sends" for outcome in _SENDS)}
        return {blow: count for blow, count in _sorted(self.counts).items() if blow not in told}

    def _violations_of(self, report: Report) -> dict[str, Any]:
        return {
            "seed": report.seed,
            "kind": report.kind,
            "broken": list(report.violations),
            "replay": replay_of(report, self.forced),
        }

    # For people

    def as_table(self) -> Table:
        """Return the summary."""
        table = Table(show_header=False, box=None, pad_edge=False)
        counts = self.counts
        table.add_row("seeds", _listed(self.kinds, total=True))
        table.add_row("virtual time", f"{self.seconds / 3600:,.0f} hours")
        table.add_row("jobs", f"{counts['jobs']:,} in {counts['attempts']:,} attempts")
        table.add_row("sends", _listed(Counter({outcome: counts[f"{outcome} sends"] for outcome in _SENDS})))
        table.add_row("ends", _listed(self.ends))
        table.add_row("calls", f"{counts['calls']:,} to SQS, {counts['store calls']:,} to the job store")
        table.add_row("faults", f"{self.faults.total():,}, of {len(self.faults)} kinds:")
        for operation in sorted({operation for operation, _ in self.faults}):
            table.add_row("", f"{operation}: {_listed(self._faults_of(operation))}")
        table.add_row("blows", _listed(Counter(self._blows())))
        table.add_row("duplicates", _listed(self.duplicates, total=True))
        table.add_row("lost", f"{self.lost}")
        violations = sum(len(report.violations) for report in self.broken)
        table.add_row("violations", f"{violations}" + (f" in {len(self.broken)} seeds" if violations else ""))
        table.add_row("digest", self.digest)
        return table

    def _faults_of(self, operation: str) -> Counter[str]:
        return Counter({kind: count for (its, kind), count in self.faults.items() if its == operation})


def _sorted(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items()))


def _listed(counter: Counter[str], *, total: bool = False) -> str:
    each = ", ".join(f"{count:,} {kind}" for kind, count in counter.most_common() if count)
    return f"{counter.total():,}{f': {each}' if each else ''}" if total else each or "none"
