"""A burst of requests, and what becomes of it: the service accepts them all at once, the queue levels, workers go on.

    python -m inference.burst http://127.0.0.1:8000 --pictures 200

It needs `python -m inference` in another shell. Each line of the chart is half a second or more:

      3.0 s  accepted ████████████████████████████████████████ 200   finished ██████░░ …  31

and at the end it says how long requests took, and how long pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any, Final  # Any: JSON
from uuid import uuid4

import aiohttp

from inference.samples import sample

__all__ = ["Burst", "main"]

_AT_ONCE: Final = 16
"""Requests under way: as of that many clients who wait for each answer."""
_WIDTH: Final = 32


@dataclass
class Burst:
    """A burst against the service at `url`, of so many `pictures`, and what was measured of it."""

    url: str
    pictures: int
    latencies: list[float] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    seconds: float = 0.0

    async def run(self) -> None:
        """Send the pictures and draw what becomes of them, until the last has ended."""
        files = [sample(number, 120, 75) for number in range(self.pictures)]
        jar = aiohttp.CookieJar(unsafe=True)  # which means that it keeps cookies of IP addresses
        async with aiohttp.ClientSession(self.url, cookie_jar=jar) as client:
            async with client.get("/") as page:  # for the cookie that is to own the pictures
                page.raise_for_status()
            began, name = time.monotonic(), f"burst-{uuid4().hex}"
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(client, name, files))
                tasks.create_task(self._draw(client, name, began))
            self.seconds = time.monotonic() - began

    def summary(self) -> str:
        """Return in two lines how long requests took, and how long pictures."""
        cuts = quantiles(self.latencies, n=100, method="inclusive")
        ends = ", ".join(f"{count} {status}" for status, count in self.ended.most_common())
        return (
            f"{len(self.latencies)} requests answered with 202, median {cuts[49] * 1000:.0f} ms, 99 % {cuts[98] * 1000:.0f} ms\n"
            f"{ends} in {self.seconds:.1f} s, {self.pictures / self.seconds:.1f} pictures a second"
        )

    async def _send(self, client: aiohttp.ClientSession, name: str, files: list[bytes]) -> None:
        left = iter(files)

        async def one_client() -> None:
            for file in left:
                before = time.monotonic()
                async with client.post("/pictures", data=file, params={"burst": name}) as answer:
                    answer.raise_for_status()
                self.latencies.append(time.monotonic() - before)

        async with asyncio.TaskGroup() as clients:
            for _ in range(_AT_ONCE):
                clients.create_task(one_client())

    async def _draw(self, client: aiohttp.ClientSession, name: str, began: float) -> None:
        async for event in _events(client, f"/bursts/{name}/events", of=self.pictures):
            self.accepted = event["accepted"]
            self.ended.update(job["status"] for job in event["ended"])
            print(self._line(time.monotonic() - began), flush=True)

    def _line(self, seconds: float) -> str:
        finished = self.ended.total()
        bars = (f"{_bar(count / self.pictures)} {count:>4}" for count in (self.accepted, finished))
        return f"{seconds:6.1f} s  accepted {next(bars)}   finished {next(bars)}"


def _bar(share: float) -> str:
    full = round(share * _WIDTH)
    return "█" * full + "░" * (_WIDTH - full)


async def _events(client: aiohttp.ClientSession, path: str, of: int) -> AsyncIterator[dict[str, Any]]:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=30)
    async with client.get(path, params={"of": str(of)}, timeout=timeout) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


def main() -> int:
    """Run a burst, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m inference.burst", description="Send many pictures at once.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000", help="of the service")
    parser.add_argument("--pictures", type=int, default=200, help="how many, 2 to 1000")
    chosen = parser.parse_args()
    if not 2 <= chosen.pictures <= 1000:
        parser.error(f"--pictures is 2 to 1000, not {chosen.pictures}")
    burst = Burst(chosen.url, chosen.pictures)
    refusals: list[Exception] = []
    try:
        asyncio.run(burst.run())
    except* (aiohttp.ClientError, OSError) as errors:
        refusals.append(errors)
    if refusals:
        print(f"{chosen.url} does not answer as the service does: start it with python -m inference", file=sys.stderr)
        return 1
    print(burst.summary())
    return 0


if __name__ == "__main__":
    sys.exit(main())
