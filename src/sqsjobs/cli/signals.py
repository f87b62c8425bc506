"""SIGTERM and SIGINT ask for a stop; the same from a platform and from a terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["on_stop_signals"]


@contextmanager
def on_stop_signals(stop: Callable[[str], None]) -> Iterator[None]:
    """Call ``stop("SIGTERM")`` or ``stop("SIGINT")`` on the running loop at each such signal, while it is entered."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop, number.name)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
