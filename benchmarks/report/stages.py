"""Stages of a job's path, and which of them a stack belongs to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

__all__ = ["Stack", "by_library", "by_place", "by_stage", "read_stacks", "rows"]

STAGES: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("wire: requests, signatures, answers", ("transport/",)),
    ("metrics", ("observability/metrics",)),
    ("logs", ("observability/",)),
    ("events", ("events.py", "app/")),
    (
        "envelope and arguments",
        ("envelope.py", "codec.py", "signatures.py", "job.py", "registry.py", "task", "sealing/", "limits.py"),
    ),
    ("settling: what becomes of a message, deletes", ("worker/settler", "batching", "disposition", "outcome", "retry")),
    ("leases and heartbeats", ("worker/lease", "worker/heartbeat", "worker/held", "worker/watchdog")),
    ("running: context, timeout, the call", ("worker/executor", "worker/run", "context.py")),
    ("the function itself, and what it waits for", ("contestants/",)),
    ("polls, slots, hand-over", ("worker/",)),
)
"""By how the names of their files begin, below the package; the first that fits has it."""
LIBRARIES: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("a call: its signature", ("botocore/auth.py", "botocore/signers.py")),
    ("a call: its answer made into Python's values", ("botocore/parsers.py",)),
    ("a call: HTTP, by aiohttp", ("/aiohttp/",)),
    ("a call: the rest of it: parameters, endpoint rules, hooks", ("botocore/",)),
)
"""By what is in the names of any of a stack's files; the first that fits has it."""
BUILT: Final = "what is made of the calls: jobs"
LOOP: Final = "the event loop: waiting, reading, waking tasks"
REST: Final = "what is left"

Stack = Sequence[tuple[str, str]]
"""Functions and their files, the innermost last."""

_RUNS: Final = ("<module>", "on_uvloop")
"""What runs a loop."""
_FRAME: Final = re.compile(r"(?P<function>.+) \((?P<file>[^()]*?)(?::\d+)?\)")
_OURS: Final = re.compile(r".*/(?:src/sqsjobs|site-packages/sqsjobs|benchmarks)/(?P<below>.*)")


def read_stacks(text: str) -> list[tuple[Stack, int]]:
    """Read the first thread's stacks from what py-spy writes: frames with semicolons between, then a number.

    The other threads wait nearly all the time, but py-spy takes one that waits in ``epoll_wait`` for one that works.
    """
    lines = (line.rpartition(" ") for line in text.splitlines() if "MainThread;" in line)
    return [(_stack(frames), int(times)) for frames, _, times in lines]


def _stack(frames: str) -> Stack:
    found = (_FRAME.fullmatch(frame) for frame in frames.split(";"))
    return [(frame["function"], frame["file"]) for frame in found if frame]


def by_stage(stacks: Sequence[tuple[Stack, int]]) -> Counter[str]:
    """Count samples by stage."""
    counted: Counter[str] = Counter()
    for stack, times in stacks:
        counted[_stage(stack)] += times
    return counted


def by_place(stacks: Sequence[tuple[Stack, int]]) -> Counter[str]:
    """Count samples by the innermost function of ours."""
    counted: Counter[str] = Counter()
    for stack, times in stacks:
        function, below = next(_ours(stack), ("", ""))
        counted[f"`{function}`, {below}" if function else LOOP] += times
    return counted


def by_library(stacks: Sequence[tuple[Stack, int]]) -> Counter[str]:
    """Count samples by which part of a call to SQS over aioboto3 was at work, or what stands above."""
    counted: Counter[str] = Counter()
    for stack, times in stacks:
        counted[_library(stack)] += times
    return counted


def _library(stack: Stack) -> str:
    for name, parts in LIBRARIES:
        if any(part in file for _, file in stack for part in parts):
            return name
    return BUILT if next(_ours(stack), None) else LOOP


def _stage(stack: Stack) -> str:
    _, below = next(_ours(stack), ("", ""))
    if not below:
        return LOOP
    return next((name for name, files in STAGES if below.startswith(files)), REST)


def _ours(stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield functions of ours and their files below the package, the innermost first.

    What runs the worker, or a loop, is on every stack, and tells nothing: it is left out.
    """
    for function, file in reversed(stack):
        ours = _OURS.fullmatch(file)
        if ours and not ours["below"].startswith(("cli/", "__main__")) and function not in _RUNS:
            yield function, ours["below"]


def rows(counted: Mapping[str, int], per_job: float, most: int = 20) -> list[tuple[str, str, str]]:
    """Return a row for each: its name, its part of `per_job` µs, its share."""
    total = sum(counted.values())
    ranked = sorted(counted.items(), key=lambda it: -it[1])[:most]
    return [(name, f"{per_job * times / total:.1f}", f"{times / total:.0%}") for name, times in ranked]
