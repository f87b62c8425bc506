"""Jobs, keys and a clock for the tests of sealed envelopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.canaries import canary_key

from sqsjobs.clock import Clock as AnyClock
from sqsjobs.clock import SystemClock
from sqsjobs.errors import InvalidEnvelope, UnsupportedVersion, UntrustedEnvelope
from sqsjobs.job import Job, JobId
from sqsjobs.sealing import Ed25519Key, HmacKey, Sealing, Signing

NOW = 1_763_000_000.0
OLD, NEW = HmacKey("2026-05", canary_key("OLD")), HmacKey("2026-11", canary_key("NEW"))
PRIVATE = Ed25519Key("web-1", canary_key("PRIVATE"))
JOB = Job(
    id=JobId("0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11"),
    task="resize",
    queue="images",
    arguments=b'{"key":"a.png","width":200}',
    headers={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    enqueued_at=NOW,
)


class Clock(SystemClock):
    """A clock that stands."""

    def __init__(self, wall: float = NOW) -> None:
        self.time = wall

    def wall(self) -> float:
        return self.time

    def now(self) -> float:
        return self.time


def sealing(*keys: Any, clock: AnyClock | None = None, **options: Any) -> Sealing:
    """Layers with these signing keys; options of `Signing`, and of `Sealing`."""
    own = {name: options.pop(name) for name in ("queue_prefix", "environment") if name in options}
    return Sealing(signing=Signing(keys, **options) if keys else None, clock=clock or Clock(), **own)


async def refusal(layers: Sealing, body: str, queue: str = "images") -> str:
    """Why `layers` refuse `body`; empty if they open it."""
    try:
        await layers.open(body, queue=queue, message_id="m" * 36)
    except (UntrustedEnvelope, InvalidEnvelope) as problem:
        return problem.code
    except UnsupportedVersion:
        return "unsupported-version"
    return ""


async def refusals(layers: Sealing, bodies: Sequence[str]) -> list[str]:
    return [await refusal(layers, body) for body in bodies]
