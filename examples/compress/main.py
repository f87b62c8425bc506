"""Compress the files of a folder, a job each, and see what became of every one.

    sqsjobs dev compress.tasks:app --store sqlite:///jobs.db
    python -m compress.main FOLDER TARGET

The second prints, say:

    3 files compressed into 1,139 bytes, 96% less than before
    secret.txt: failed after 3 attempts: PermissionError

`sqsjobs demo` tells the same story at large: a thousand files, with everything started for you.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from compress.tasks import Compressed, app, compress
from sqsjobs import JobFailed


async def compress_all(sources: Sequence[Path], target: Path) -> tuple[list[Compressed], dict[Path, JobFailed]]:
    """Enqueue a job for each file, and wait for all of them."""
    async with app:
        jobs = await app.enqueue_many(compress.call(str(path), str(target / f"{path.name}.gz")) for path in sources)
        done: list[Compressed] = []
        failed: dict[Path, JobFailed] = {}
        for path, job in zip(sources, jobs, strict=True):
            try:
                done.append(await job.result())
            except JobFailed as failure:
                failed[path] = failure
    return done, failed


def main() -> None:
    folder, target = map(Path, sys.argv[1:])
    target.mkdir(parents=True, exist_ok=True)
    done, failed = asyncio.run(compress_all(sorted(folder.iterdir()), target.absolute()))
    before, after = sum(it.before for it in done), sum(it.after for it in done)
    print(f"{len(done)} files compressed into {after:,} bytes, {1 - after / max(1, before):.0%} less than before")
    for path, failure in failed.items():
        print(f"{path.name}: failed after {failure.attempts} attempts: {failure.error_type.rpartition('.')[2]}")


if __name__ == "__main__":
    main()
