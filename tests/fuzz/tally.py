"""What a run came to: as a table for people and as JSON for other programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from tests.fuzz.playing import Finding, Score
from tests.proof.stamp import stamp

__all__ = ["Tally", "replay_of"]


def replay_of(finding: Finding, only: str | None = None) -> str:
    """Return the one command that feeds an input again."""
    if finding.target == "every bit":
        return "make fuzz INPUTS=1 BITS=200"
    return f"make fuzz SEED={finding.seed}" + (f" TARGET={only}" if only else "")


@dataclass(slots=True)
class Tally:
    """The sum of all scores.

    Attributes:
        first: the first seed.
        only: the one target, where there was but one.
        nonces: messages that were encrypted to see that no nonce comes twice, and how often one did.
    """

    first: int
    only: str | None = None
    score: Score = field(default_factory=Score)
    nonces: tuple[int, int] = (0, 0)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether anything was found."""
        return bool(self.score.findings) or self.nonces[1] > 0

    @property
    def targets(self) -> list[str]:
        """The targets that were fed."""
        return list(dict.fromkeys(name for name, _ in sorted(self.score.outcomes)))

    def fed(self, target: str) -> Counter[str]:
        """Return what became of the inputs of a target, by word."""
        return Counter({word: count for (name, word), count in self.score.outcomes.items() if name == target})

    def found(self, kind: str) -> int:
        """Return how many findings there are of a kind."""
        return sum(finding.kind == kind for finding in self.score.findings)

    def as_json(self) -> dict[str, Any]:
        """Return all of it, ready to be written as JSON."""
        return {
            **stamp("fuzz"),
            "inputs": self.score.outcomes.total(),
            "first_seed": self.first,
            "seconds": round(self.seconds, 1),
            "processor_seconds": round(self.score.seconds, 1),
            "targets": {
                name: {
                    "inputs": self.fed(name).total(),
                    "outcomes": dict(sorted(self.fed(name).items())),
                    "slowest_ms": round(1000 * self.score.slowest.get(name, 0.0), 2),
                    "memory_per_byte": round(self.score.greediest.get(name, 0.0), 2),
                }
                for name in self.targets
            },
            "memory_measured": self.score.measured,
            "inflated": {"measured": self.score.inflated, "largest": self.score.largest},
            "nonces": {"made": self.nonces[0], "repeated": self.nonces[1]},
            "found": {kind: self.found(kind) for kind in ("crash", "forgery", "deed", "slow", "memory")},
            "findings": [
                {
                    "seed": it.seed,
                    "target": it.target,
                    "kind": it.kind,
                    "problem": it.problem,
                    "replay": replay_of(it, self.only),
                }
                for it in self.score.findings
            ],
        }

    def as_table(self) -> Table:
        """Return the summary."""
        table = Table("target", "inputs", "slowest", "memory", "what became of them", box=None, pad_edge=False)
        for name in self.targets:
            words = ", ".join(f"{count:,} {word}" for word, count in self.fed(name).most_common())
            slowest, greed = self.score.slowest.get(name), self.score.greediest.get(name)
            table.add_row(
                name,
                f"{self.fed(name).total():,}",
                f"{1000 * slowest:.1f} ms" if slowest is not None else "",
                f"x{greed:.1f}" if greed is not None else "",
                words,
            )
        return table

    def in_words(self) -> str:
        """Return what was found, in one line."""
        found = ", ".join(f"{self.found(kind)} {kind}" for kind in ("crash", "forgery", "deed", "slow", "memory"))
        nonces = f"; {self.nonces[1]} of {self.nonces[0]:,} nonces twice" if self.nonces[0] else ""
        inflated = f"; {self.score.inflated:,} inflated, to {self.score.largest:,} bytes" if self.score.inflated else ""
        return f"{self.score.outcomes.total():,} inputs from seed {self.first}: {found}{nonces}{inflated}"
