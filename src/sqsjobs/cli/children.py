"""Child processes that run workers: started with a link, so that they answer, and end with whoever started them."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from sqsjobs.cli.link import Link

__all__ = ["Child"]


@dataclass(frozen=True, slots=True)
class Child:
    """A running child.

    Attributes:
        process: the process.
        link: to it.
        started_at: on the event loop's clock.
    """

    process: asyncio.subprocess.Process
    link: Link
    started_at: float

    @classmethod
    async def start(cls, command: Sequence[str]) -> Self:
        """Start `command`, to which ``--supervised`` and the descriptor of its end of the link are added."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *command,
                "--supervised",
                str(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # a terminal's Ctrl-C reaches the parent alone, which passes it on: so it counts once
            )
        return cls(process, await Link.over(ours), asyncio.get_running_loop().time())

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it; nothing happens if it has just ended."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end and return its exit code, negative for a signal. If this is cancelled, the child ends by itself."""
        try:
            return await self.process.wait()
        finally:
            self.link.close()

    async def end(self, within: float) -> int:
        """Ask it to stop, kill it if it has not ended within so many seconds, and return its exit code."""
        self.send_signal(signal.SIGTERM)
        killing = asyncio.get_running_loop().call_later(within, self.send_signal, signal.SIGKILL)
        try:
            return await self.ended()
        finally:
            killing.cancel()
