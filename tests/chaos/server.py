"""The queue server of the rig, in a process of its own, which writes down which jobs each fault has touched.

python -m tests.chaos.server LEDGER
"""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.pen import Pen

from sqsjobs.local import FaultPlan, LocalServer, Struck

__all__ = ["main"]


class Witness:
    """Knows what the queues hold, so that a fault can be laid to the jobs it touched."""

    def __init__(self, server: LocalServer, pen: Pen) -> None:
        self._server = server
        self._pen = pen

    def __call__(self, struck: Struck) -> None:
        self._pen.write("fault", kind=struck.kind, operation=struck.operation, jobs=sorted(set(self._touched(struck))))

    def _touched(self, struck: Struck) -> Iterator[str]:
        asked = json.loads(struck.asked)
        match struck.operation:
            case "SendMessageBatch":
                yield from (_job_in(entry["MessageBody"]) for entry in asked["Entries"])
            case "ReceiveMessage":
                answered = _object(struck.answered)
                yield from (_job_in(message["Body"]) for message in answered.get("Messages", ()))
            case "DeleteMessageBatch" | "ChangeMessageVisibilityBatch":
                messages = {_message_of(entry["ReceiptHandle"]) for entry in asked["Entries"]}
                yield from self._jobs_of(struck.queue, messages)

    def _jobs_of(self, queue: str, messages: set[str]) -> Iterator[str]:
        with self._server.sqs.use() as model:
            held = model.account.queue(queue).messages
            yield from (_job_in(held[message].body) for message in messages if message in held)


def _job_in(body: str) -> str:
    return str(json.loads(body)["id"])


def _object(text: bytes) -> dict[str, Any]:
    return dict(json.loads(text)) if text.startswith(b"{") else {}


def _message_of(handle: str) -> str:
    return base64.b64decode(handle).split(b" ")[1].decode()


async def _serve(directory: Path) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with LocalServer(plan=FaultPlan([])) as server:
        assert server.plan is not None
        server.plan.observer = Witness(server, Pen(directory, "faults"))
        sys.stdout.write(f"{server.endpoint_url}\n")
        sys.stdout.flush()
        await stopping.wait()


def main() -> None:
    """Serve until SIGTERM; the first line of output is the URL."""
    asyncio.run(_serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
