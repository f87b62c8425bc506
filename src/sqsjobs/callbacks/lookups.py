"""Names looked up by the machine's resolver, which blocks, and cannot be told to stop: in threads of their own, one for a name.

A nameserver that does not answer holds up who asks for its names, and nobody else: no thread that other things need, and
not the end of the process.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

__all__ = ["Lookups", "resolved"]

_MOST: Final = 64
"""Names that are looked up at once; most of them by nameservers that are away, for the others take milliseconds."""


async def resolved(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as the machine's resolver tells them; of an address, itself.

    Raises:
        OSError: if there is none, or it is not known now.
        UnicodeError: if no name is written so.
    """
    return await _LOOKUPS.addresses(host, port)


def _asked(host: str, port: int) -> Sequence[str]:
    return [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Lookups:
    """Lookups under way; who asks for a name that is being looked up already waits for the same answer.

    Args:
        most: names at once; one more is an error.
        ask: asks the resolver, and blocks meanwhile.
    """

    def __init__(self, most: int = _MOST, ask: Callable[[str, int], Sequence[str]] = _asked) -> None:
        self._most = most
        self._ask = ask
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], Future[Sequence[str]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a name; who no longer waits leaves the lookup to the others, and to itself.

        Raises:
            OSError: if it has none, or as many names as may be are being looked up without an answer.
        """
        return await asyncio.wrap_future(self._begun(host, port))

    def _begun(self, host: str, port: int) -> Future[Sequence[str]]:
        name = (host, port)
        with self._lock:
            answer = self._under_way.get(name)
            if answer is None:
                if len(self._under_way) >= self._most:
                    raise OSError(errno.EAGAIN, "too many names are being looked up: nameservers do not answer")
                answer = self._under_way[name] = Future()
                answer.set_running_or_notify_cancel()  # so that one who waits no longer cancels it for nobody else
                threading.Thread(target=self._look_up, args=name, name="sqsjobs-lookup", daemon=True).start()
        return answer

    def _look_up(self, host: str, port: int) -> None:
        addresses: Sequence[str] = ()
        problem: Exception | None = None
        try:
            addresses = self._ask(host, port)
        except Exception as error:  # noqa: BLE001 - for those who wait
            problem = error
        with self._lock:
            answer = self._under_way.pop((host, port))
        if problem:
            answer.set_exception(problem)
        else:
            answer.set_result(addresses)


_LOOKUPS: Final = Lookups()
