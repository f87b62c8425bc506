"""`python -m tests.proof`, or `make ledger`: runs the long forms of the rigs that keep a ledger, and puts what they found together."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markdown import Markdown
from tests.proof.rigs import RIGS, Rig
from tests.proof.summary import line_of, merged, readable

ROOT: Final = Path(__file__).parents[2]

ABOUT = """\
Run the long forms of the rigs that keep a ledger (make properties keeps none),
one after the other, and write what they found into one folder: each rig's own
ledger, ledger.json with all of them and their sums (faults injected, runs,
duplicates by cause, lost), and ledger.md for readers. About two hours and a
half on 2 cores.
"""
EXAMPLES = """\
examples:
  make ledger                                          all of it, into ledger/
  make ledger SEEDS=500 INPUTS=20000 MINUTES=1         shorter ones
  make ledger ARGS='--only simulate --only fuzz'       some of them
  make ledger ARGS='--chaos=--short'                   the chaos as the tests run it
  make ledger ARGS=--merge                             no runs: put together what is in the folder

Ends with 1 if a rig did, after the others have run; what it said is above. So
does --merge where a ledger is missing that is not left out by --only. Each rig's
ledger keeps the commit and the date at which it was written.
"""


def main() -> int:
    """Run what was asked for, and return the exit code."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    chosen = options.only or list(RIGS)
    exits: dict[str, int] = {}
    for name in chosen if not options.merge else ():
        console.rule(f"make {name}")
        exits[name] = _run(RIGS[name], options)
    there = [name for name in chosen if (options.folder / f"{name}.json").exists()]
    ledgers = _ledgers(options.folder, there, console)
    if options.merge:
        exits = {name: int(name not in ledgers or line_of(name, ledgers[name]).broken > 0) for name in there}
    whole = merged(ledgers, exits)
    text = readable(whole)
    (options.folder / "ledger.json").write_text(json.dumps(whole, indent=2) + "\n")
    (options.folder / "ledger.md").write_text(text)
    console.print(Markdown(text))
    console.print(f"{options.folder / 'ledger.json'}\n{options.folder / 'ledger.md'}", highlight=False)
    return 0 if exits.keys() == set(chosen) and not whole["broken"] else 1


def _run(rig: Rig, options: argparse.Namespace) -> int:
    """Run a rig to its end, on this terminal; its ledger of another time is taken away first."""
    ledger = options.folder / f"{rig.name}.json"
    ledger.unlink(missing_ok=True)
    size = getattr(options, rig.unit, None) or rig.size
    more = options.chaos.split() if rig.name == "chaos" else []
    return subprocess.run([sys.executable, *rig.command(ledger, size), *more], cwd=ROOT, check=False).returncode


def _ledgers(folder: Path, names: list[str], console: Console) -> dict[str, Any]:
    """Return those that can be read."""
    ledgers = {}
    for name in names:
        try:
            ledger = json.loads((folder / f"{name}.json").read_text())
            line_of(name, ledger)
        except (OSError, ValueError, KeyError) as problem:
            console.print(f"[red]make {name} left no ledger that can be read: {problem!r}", highlight=False)
        else:
            ledgers[name] = ledger
    return ledgers


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make ledger",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for rig in RIGS.values():
        if rig.size is not None:
            parser.add_argument(
                f"--{rig.unit}", metavar="N", type=float, help=f"{rig.unit} of make {rig.name} (default: {rig.size:,})"
            )
    parser.add_argument("--chaos", metavar="ARGS", default="", help="arguments for make chaos, such as --short")
    parser.add_argument("--only", action="append", choices=RIGS, help="only this rig; may be repeated")
    parser.add_argument("--merge", action="store_true", help="run nothing, put together what is there")
    parser.add_argument("--folder", type=Path, default=ROOT / "ledger", help="where it is written (default: ledger/)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
