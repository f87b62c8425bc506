"""What a wait of 50 ms costs by itself, a thousand at once: asyncio.sleep on uvloop, without sqsjobs or SQS.

    python -m benchmarks.waits

Once in a process that does nothing else, and then in one that looks at ten, and at a hundred other objects before each wait,
as a worker looks at other jobs: these push out of the processor's caches what the wait is made of, and the cost of looking
at them alone is taken off. `make bench-profile` tells all three.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Callable, Iterator

from benchmarks.contestants.producing import on_uvloop

AT_ONCE = 1_000
SECONDS = 0.05
OBJECTS = 100_000
LOOKED_AT = (0, 10, 100)


def main() -> None:
    """Print the µs of CPU of a wait, for each number of objects that are looked at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waits", type=int, default=60 * AT_ONCE, help="(default: %(default)s)")
    waits = parser.parse_args().waits
    for count in LOOKED_AT:
        look = looking(count)
        before = time.process_time()
        for _ in range(waits):
            look()
        on_uvloop(_measured(waits, look, (time.process_time() - before) / waits))


def looking(count: int) -> Callable[[], None]:
    """Return what looks at the next so many of all objects, which are nowhere near each other."""
    objects = [str(number) for number in range(OBJECTS)]
    random.Random(0).shuffle(objects)

    def groups() -> Iterator[list[str]]:
        while True:
            for first in range(0, OBJECTS, count or OBJECTS):
                yield objects[first : first + count]

    following = groups()

    def look() -> None:
        for it in next(following):
            len(it)

    return look


async def _measured(waits: int, look: Callable[[], None], looked: float) -> None:
    done = 0

    async def again_and_again(first: float) -> None:
        nonlocal done
        await asyncio.sleep(first)
        while done < waits:
            look()
            await asyncio.sleep(SECONDS)
            done += 1

    before = time.process_time()
    await asyncio.gather(*(again_and_again(SECONDS * place / AT_ONCE) for place in range(AT_ONCE)))
    print(f"{((time.process_time() - before) / done - looked) * 1e6:.1f}", flush=True)


if __name__ == "__main__":
    main()
