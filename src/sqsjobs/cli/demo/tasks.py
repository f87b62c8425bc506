"""The job of the demo: one file is compressed. The worker process imports this module, and so does the producer."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj

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
    """Compress `source` into `target`. Run twice, which may happen, it makes the same file twice."""
    unfinished = Path(f"{target}.{current_job().attempt}")
    with Path(source).open("rb") as content, gzip.open(unfinished, "wb") as packed:
        copyfileobj(content, packed)
    unfinished.replace(target)  # whole or not at all, whenever the worker dies
    return Compressed(before=Path(source).stat().st_size, after=Path(target).stat().st_size)
