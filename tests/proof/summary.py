"""Puts the ledgers of the rigs together: what was tried, what it came to, and whether anything was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Line", "line_of", "merged", "readable"]

Ledger = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """What a rig's ledger comes to.

    Attributes:
        runs: starts of jobs' functions.
        faults: that were injected.
        duplicates: runs that nobody had asked for, or that were repeated, by cause.
        lost: jobs that SQS had accepted and that came to no end.
        broken: promises that were broken, of any kind; those that were lost are among them.
        in_words: the same for readers.
        undecided: what a longer run would have to tell.
    """

    runs: int
    faults: int
    duplicates: Counter[str]
    lost: int
    broken: int
    in_words: str
    undecided: tuple[str, ...] = ()


def line_of(rig: str, ledger: Ledger) -> Line:
    """Return what the ledger of `rig` comes to.

    Raises:
        KeyError: if it is no ledger of that rig's.
    """
    return _READERS[rig](ledger)


def merged(ledgers: Mapping[str, Ledger], exits: Mapping[str, int]) -> dict[str, Any]:
    """Return one ledger; `exits` are the exit codes of the rigs that were run, or whose ledgers were to be merged.

    Each ledger keeps its own commit and date. A rig that left none is named as that, one that is not among them as missing,
    and everything has `held` only where none is, and nothing is left undecided.
    """
    lines = {rig: line_of(rig, ledger) for rig, ledger in ledgers.items()}
    undecided = [f"{rig}'s {what}" for rig, line in lines.items() for what in line.undecided]
    duplicates = sum((line.duplicates for line in lines.values()), Counter[str]())
    return {
        "held": exits.keys() == _READERS.keys() == ledgers.keys() and not any(exits.values()) and not undecided,
        "broken": [rig for rig, code in exits.items() if code or rig not in ledgers],
        "missing": [rig for rig in _READERS if rig not in exits],
        "undecided": undecided,
        "faults injected": sum(line.faults for line in lines.values()),
        "runs": sum(line.runs for line in lines.values()),
        "duplicates": dict(duplicates.most_common()),
        "lost": sum(line.lost for line in lines.values()),
        "broken promises": sum(line.broken for line in lines.values()),
        "rigs": {
            rig: {
                "exit": code,
                "commit": ledgers.get(rig, {}).get("commit", "unknown"),
                "date": ledgers.get(rig, {}).get("date", "unknown"),
                "in words": lines[rig].in_words if rig in lines else "it left no ledger",
                "ledger": ledgers.get(rig),
            }
            for rig, code in exits.items()
        },
    }


def readable(whole: Mapping[str, Any]) -> str:
    """Return a merged ledger as Markdown."""
    rigs = [
        f"| `make {rig}` | {told['commit']} | {told['date'][:10]} | {told['in words']} "
        f"| {'BROKEN' if rig in whole['broken'] else 'held'} |"
        for rig, told in whole["rigs"].items()
    ]
    causes = [f"| {cause} | {times:,} |" for cause, times in whole["duplicates"].items()]
    sums = (
        f"{whole['faults injected']:,} faults injected, {whole['runs']:,} runs, {whole['lost']:,} lost, "
        f"{whole['broken promises']:,} promises broken: {_verdict(whole)}."
    )
    return "\n".join(
        [
            "# What the long forms found",
            "",
            sums,
            "",
            *("| rig | at commit | on | what it came to | promises |", "|---|---|---|---|---|", *rigs),
            "",
            *("| why a job ran more than once | runs |", "|---|---:|", *(causes or ["| none did | 0 |"])),
            "",
        ]
    )


def _verdict(whole: Mapping[str, Any]) -> str:
    if whole["broken"]:
        return "NOT ALL HELD"
    open_ends = {"NOT RUN": whole["missing"], "UNDECIDED": whole["undecided"]}
    told = [f"{what}: {', '.join(names)}" for what, names in open_ends.items() if names]
    return ". ".join(["every promise of the rigs that were run held" if told else "every promise held", *told])


# Each rig's own ledger --------------------------------------------------------------------------------


def _simulate(ledger: Ledger) -> Line:
    faults, jobs = ledger["faults"], ledger["jobs"]
    blows = sum(ledger["blows"].values())
    return Line(
        runs=ledger["attempts"],
        faults=faults["injected"],
        duplicates=Counter(ledger["duplicates"]),
        lost=ledger["lost"],
        broken=sum(len(seed["broken"]) for seed in ledger["violations"]),
        in_words=f"{ledger['seeds']['played']:,} seeds, {jobs:,} jobs in {ledger['attempts']:,} runs, "
        f"{faults['injected']:,} faults of {faults['kinds']} kinds and {blows:,} blows, {ledger['lost']} lost",
    )


def _chaos(ledger: Ledger) -> Line:
    parts = ledger["parts"]
    sent = sum(sum(part["sent"].values()) for part in parts)
    runs = sum(part["runs"] for part in parts)
    lost = sum(_losses(part["violations"]) for part in parts)
    return Line(
        runs=runs,
        faults=ledger["faults injected"],
        duplicates=sum((Counter(part["repeated runs by cause"]) for part in parts), Counter[str]()),
        lost=lost,
        broken=ledger["violations"],
        in_words=f"{sent:,} jobs in {runs:,} runs of real workers, {ledger['faults injected']:,} faults of "
        f"{ledger['kinds of faults (fault x operation)']} kinds, {lost} lost",
    )


def _fuzz(ledger: Ledger) -> Line:
    found = sum(ledger["found"].values())
    return Line(
        runs=0,
        faults=0,
        duplicates=Counter(),
        lost=0,
        broken=found,
        in_words=f"{ledger['inputs']:,} inputs, {found} findings; "
        f"{ledger['nonces']['made']:,} nonces, {ledger['nonces']['repeated']} twice",
    )


def _soak(ledger: Ledger) -> Line:
    sent, lost = sum(ledger["sent"].values()), _losses(ledger["violations"])
    verdicts = ", ".join(f"{what} {verdict}" for what, verdict in ledger["verdicts"].items())
    return Line(
        runs=ledger["runs"],
        faults=ledger["faults"],
        duplicates=Counter(ledger["repeated runs by cause"]),
        lost=lost,
        broken=len(ledger["violations"]) + list(ledger["verdicts"].values()).count("growing"),
        in_words=f"{sent:,} jobs, {ledger['faults']:,} faults, {lost} lost; {verdicts}",
        undecided=tuple(what for what, verdict in ledger["verdicts"].items() if verdict == "undecided"),
    )


def _seeded_bugs(ledger: Ledger) -> Line:
    return Line(
        runs=0,
        faults=0,
        duplicates=Counter(),
        lost=0,
        broken=max(0, ledger["at least"] - ledger["caught"]),
        in_words=f"caught {ledger['caught']} of {ledger['of']}",
    )


def _losses(violations: list[str]) -> int:
    return sum(violation.startswith("I1:") for violation in violations)


_READERS: Final[Mapping[str, Callable[[Ledger], Line]]] = {
    "simulate": _simulate,
    "chaos": _chaos,
    "fuzz": _fuzz,
    "soak": _soak,
    "seeded-bugs": _seeded_bugs,
}
