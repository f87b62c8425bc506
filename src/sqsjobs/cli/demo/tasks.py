"""The job of the demo: one file is compressed. The worker process imports this module, and so does the producer."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

from sqsjobs import App, Retry, current_job, exponential

__all__ = ["Compressed", "app", "compress"]

app = App("demo", tracking="full")


@dataclass(frozen=True, slots=True)
class Compressed:
    """What a job returns: the sizes of the file, in bytes."""

    before: int
    after: int


@app.task(
    queue="files",
    timeout=60,
    # A missing file may come yet; a directory never becomes a file.
    retry=Retry(max_attempts=3, backoff=exponential(0.5, 1), give_up_on=(IsADirectoryError, PermissionError)),
)
def compress(source: str, target: str) -> Compressed:
    """Compress `source` into `target`. Run twice, which may happen, it writes the same twice."""
    content = Path(source).read_bytes()
    unfinished = Path(f"{target}.{current_job().attempt}")
    unfinished.write_bytes(gzip.compress(content, mtime=0))
    unfinished.replace(target)  # whole or not at all, whenever the worker dies
    return Compressed(before=len(content), after=Path(target).stat().st_size)
