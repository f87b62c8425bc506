"""The command line: ``sqsjobs``.

`main` is all that is imported at first; each command's module is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line `arguments` (those of the process by default) and exit."""
    import sys  # noqa: PLC0415 - see below

    from sqsjobs.cli.commands import run  # noqa: PLC0415 - `import sqsjobs.cli` stays cheap

    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
