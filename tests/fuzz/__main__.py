"""`python -m tests.fuzz`, or `make fuzz`: feeds inputs to all that reads messages, says what was found, and how to see it again."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from tests.fuzz.playing import Finding, Score, flip_bits, input_of, play, play_all
from tests.fuzz.tally import Tally, replay_of
from tests.fuzz.targets import TARGETS
from tests.side_by_side import cores, progress_bars, side_by_side

from sqsjobs.sealing.encryption_keys import DataKey
from sqsjobs.sealing.message_key import MessageKey

ABOUT = """\
Feed everything that reads a message with inputs that are almost right, or very wrong: the envelope decoder, the codec,
signatures, encryption, compression, dead letters' annotations, and SQS's answers over the lean wire. None may crash, be
forged, be accepted where it was changed, import, run or open anything, take more than 50 ms of processor time for each
MiB, or memory beyond its size.
"""
EXAMPLES = """\
examples:
  make fuzz                            2,000,000 inputs, and 200 sealed messages with every bit of them flipped
  make fuzz INPUTS=100000              fewer
  make fuzz TARGET=signature           of one kind alone
  make fuzz SEED=144                   one input again, and what becomes of it
  make fuzz LEDGER=fuzz.json           the summary for other programs

Ends with 0 where nothing was found, with 1 otherwise: each finding is printed with its input and the command that
feeds it again.
"""

_SHOWN = 20
"""Findings that are printed; all are in the ledger."""


def main() -> int:
    options = _parser().parse_args()
    console = Console()
    if options.seed is not None:
        return _play_one(options.seed, options.target, console)
    first = int.from_bytes(os.urandom(4)) if options.first is None else options.first
    console.print(f"seeds {first} to {first + options.inputs - 1}, in {options.cores} processes")
    tally = _play_many(options, first, console)
    console.print(tally.as_table())
    console.print(f"\n{tally.in_words()}, in {tally.seconds:.0f} s, {tally.score.seconds:.0f} s of processor time")
    if options.ledger is not None:
        options.ledger.write_text(json.dumps(tally.as_json(), indent=2) + "\n")
    return 1 if tally.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--inputs", metavar="N", type=int, default=2_000_000, help="how many (default: 2,000,000)")
    parser.add_argument("--first", metavar="N", type=int, help="the first seed (default: at random)")
    parser.add_argument("--seed", metavar="N", type=int, help="feed this one, and print it")
    parser.add_argument("--target", choices=sorted(TARGETS), help="what all are fed to (default: each has its own)")
    parser.add_argument(
        "--bits", metavar="N", type=int, default=200, help="sealed messages with every bit flipped (default: 200)"
    )
    parser.add_argument(
        "--nonces", metavar="N", type=int, default=1_000_000, help="nonces that must differ (default: 1,000,000)"
    )
    parser.add_argument("--cores", metavar="N", type=int, default=cores(), help="processes (default: one a core)")
    parser.add_argument("--ledger", metavar="FILE", type=Path, help="write the summary as JSON")
    return parser


def _play_one(seed: int, target: str | None, console: Console) -> int:
    name, given = input_of(seed, target)
    console.print(f"{name}, seed {seed}:", highlight=False)
    print(ascii(given))
    play_all([], target)  # so that the guard is up
    score = Score()
    console.print(play(seed, score, target), markup=False)
    for finding in score.findings:
        _show(finding, target, console)
    return 1 if score.findings else 0


def _play_many(options: argparse.Namespace, first: int, console: Console) -> Tally:
    tally = Tally(first, options.target)
    began = time.monotonic()
    seeds, messages, processes = range(first, first + options.inputs), range(options.bits), options.cores
    fed = side_by_side(partial(play_all, only=options.target), seeds, at_once=2000, processes=processes)
    flipped = side_by_side(flip_bits, messages, at_once=2, processes=processes)
    with progress_bars(console) as progress:
        _add_up(tally, "inputs", len(seeds), fed, progress)
        _add_up(tally, "every bit", len(messages), flipped, progress)
    tally.nonces = options.nonces, _repeated(options.nonces)
    tally.seconds = time.monotonic() - began
    return tally


def _add_up(tally: Tally, name: str, total: int, scores: Iterator[tuple[int, Score]], progress: Progress) -> None:
    bar = progress.add_task(name, total=total)
    for count, score in scores:
        progress.advance(bar, count)
        for finding in score.findings[: max(0, _SHOWN - len(tally.score.findings))]:
            _show(finding, tally.only, progress.console)
        tally.score.add(score)


def _show(finding: Finding, only: str | None, console: Console) -> None:
    console.rule(f"{finding.kind}: {finding.target}, seed {finding.seed}")
    console.print(finding.problem, style="red", markup=False)
    console.print(finding.given, markup=False, highlight=False, soft_wrap=True)
    console.print(f"feed it again: {replay_of(finding, only)}")


def _repeated(count: int) -> int:
    """Encrypt under one data key, and return how many nonces or salts came more than once."""
    nonces, salts, key = set(), set(), DataKey(b"k" * 32)
    for _ in range(count):
        message_key, said = MessageKey.made("k", key)
        nonces.add(message_key.nonce)
        salts.add(said.salt)
    return 2 * count - len(nonces) - len(salts)


if __name__ == "__main__":
    sys.exit(main())
