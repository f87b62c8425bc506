"""How what happens is written down: a line at a time, at the end of a file, and down to the disk."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

__all__ = ["Pen"]


class Pen:
    """Writes the lines of one process. A line is one write to a file that only grows: it is whole, or not there.

    Args:
        directory: of the ledger; who reads it reads all files there.
        who: names the file.
    """

    def __init__(self, directory: Path, who: str) -> None:
        self._file = os.open(directory / f"{who}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, what: str, **facts: Any) -> None:
        """Write that something happened just now; it outlives the process, and the machine, when this returns."""
        line = json.dumps({"what": what, "at": time.monotonic(), **facts}, separators=(",", ":"))
        os.write(self._file, f"{line}\n".encode())
        os.fsync(self._file)
