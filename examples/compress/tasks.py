"""The job: one file is compressed. The worker imports this module, and so does the program that enqueues."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

from sqsjobs import App, Reject, Retry, exponential

app = App("compress")


@dataclass(frozen=True)
class Compressed:
    """Sizes in bytes."""

    before: int
    after: int


@app.task(queue="files", timeout=300, retry=Retry(max_attempts=3, backoff=exponential(1, 10)))
def compress(source: str, target: str) -> Compressed:
    """Compress `source` into `target`.

    A job may run twice, so this writes under another name first: whatever happens, `target` is whole or not there.
    """
    if Path(source).is_dir():
        raise Reject(f"{source} is a directory, and will never become a file")
    content = Path(source).read_bytes()
    part = Path(f"{target}.part")
    part.write_bytes(gzip.compress(content, mtime=0))
    part.replace(target)
    return Compressed(len(content), Path(target).stat().st_size)
