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
from sqsjobs.observability.rendering import printable

__all__ = ["complain", "note", "show_facts", "show_json", "show_table"]


def complain(error: SqsJobsError) -> None:
    """Print an error as one message; a remote traceback in it keeps its lines."""
    text = "\n".join(printable(line) for line in [*str(error).splitlines(), *getattr(error, "__notes__", ())])
    Console(stderr=True, soft_wrap=True).print(Text.assemble(("Error: ", "bold red"), text))


def note(text: str, style: str = "") -> None:
    """Print a remark to standard error."""
    Console(stderr=True, soft_wrap=True).print(Text(printable(text), style))


def show_json(value: object) -> None:
    """Print a value as JSON: indented on a terminal, one line elsewhere."""
    text = msgspec.json.encode(value, enc_hook=str)
    sys.stdout.write(msgspec.json.format(text, indent=2 if sys.stdout.isatty() else 0).decode() + "\n")


def show_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one a line; what is None or empty is left out."""
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        if fact not in (None, ""):
            grid.add_row(Text(name, "bold"), Text("\n".join(map(printable, str(fact).splitlines()))))
    Console(soft_wrap=True).print(grid)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under column heads; numbers stand to the right. Nothing is cut off where the output is no terminal."""
    listed = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        numeric = all(isinstance(row[place], int | float) for row in listed)
        table.add_column(column, justify="right" if numeric and listed else "left", overflow="fold")
    for row in listed:
        table.add_row(*(Text(printable("" if cell is None else str(cell))) for cell in row))
    console = Console()
    console.print(table, width=None if console.is_terminal else 400)
