"""Runs a part on a field of its own, and judges what happened there."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable
from math import inf
from pathlib import Path
from random import Random

from tests.chaos.field import Field, open_field
from tests.chaos.parts import PARTS
from tests.chaos.report import Result

__all__ = ["run_part"]


async def run_part(
    name: str,
    size: int,
    seed: int,
    folder: Path,
    *,
    limit: float = inf,
    progress: Callable[[float], None] = lambda _: None,
) -> Result:
    """Run a part; whatever goes wrong is in the result. `folder` is made, and left where a promise was broken.

    After `limit` seconds nothing more is begun: what was, ends and is judged.
    """
    part = PARTS[name]
    since = time.monotonic()
    result = Result(name, size, part.unit, 0, folder)
    async with open_field(
        folder, Random(f"{seed} {name}"), stored=part.stored, queues=part.queues, progress=progress, limit=limit
    ) as field:
        try:
            result.figures = await part.run(field, size)
        except Exception as error:  # the part is broken off, and what there is is judged
            (folder / "broken-off.txt").write_text(traceback.format_exc())
            result.violations.append(str(error) or repr(error))
        result.size = field.done
        await _judge(field, part.queues, result)
    result.seconds = time.monotonic() - since
    if not result.violations:
        shutil.rmtree(folder)
    return result


async def _judge(field: Field, queues: tuple[str, ...], result: Result) -> None:
    ledger, checked = await field.judged(queues)
    result.take(ledger, checked)
    if not field.alive:
        result.violations += await field.left()
