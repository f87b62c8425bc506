"""What commands print: results on standard output, everything else on standard error.

Texts that come from queues and records are escaped, so that none can steer the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sqsjobs.errors import SqsJobsError
from sqsjobs.observability.escaping import printable, printable_block

__all__ = ["complain", "counted", "error_text", "note", "show_facts", "show_json", "show_table"]


def complain(error: SqsJobsError) -> None:
    """Print an error as one message; a remote traceback in it keeps its lines."""
    text = "\n".join([str(error), *getattr(error, "__notes__", ())])
    Console(stderr=True, soft_wrap=True).print(error_text(text))


def error_text(text: str) -> Text:
    """Return what is printed of an error."""
    return Text.assemble(("Error: ", "bold red"), printable_block(text))


def note(text: str, style: str = "") -> None:
    """Print a remark to standard error."""
    Console(stderr=True, soft_wrap=True).print(Text(printable(text), style))


def counted(number: int, thing: str) -> str:
    """Return how many there are, such as ``1 queue`` or ``2 queues``."""
    return f"{number:,} {thing}{'s' if number != 1 else ''}"


def show_json(value: object) -> None:
    """Print a value as JSON: indented on a terminal, one line elsewhere."""
    text = msgspec.json.encode(value, enc_hook=str)
    sys.stdout.write((msgspec.json.format(text, indent=2) if sys.stdout.isatty() else text).decode() + "\n")


def show_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one a line; what is None or empty is left out."""
    shown = {name: str(fact) for name, fact in facts.items() if fact not in (None, "")}
    width = max(map(len, shown), default=0)
    console = Console(soft_wrap=True)
    for name, fact in shown.items():
        lines = f"\n{' ' * width}  ".join(map(printable, fact.splitlines()))
        console.print(Text.assemble((f"{name:{width}}  ", "bold"), lines))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under column heads: aligned on a terminal, with tabs between the cells elsewhere."""
    cells = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    console = Console()
    if not console.is_terminal:
        sys.stdout.writelines("\t".join(row) + "\n" for row in [columns, *cells])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        numeric = all(row[place].isdigit() for row in cells)
        table.add_column(column, justify="right" if numeric and cells else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)
