"""How an answer is spoiled on its way: by hand, on the connection, as networks, proxies and dying servers do it.

Each of these writes what it writes and leaves the connection useless, so that nothing more is answered on it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final, TypeAlias

from sqsjobs.local.protocol import CONTENT_TYPE, WireAnswer

__all__ = [
    "Spoiling",
    "announce_the_end",
    "answer_failure",
    "answer_html",
    "answer_in_pieces",
    "answer_late",
    "answer_other_json",
    "answer_until_the_end",
    "drip",
    "end_silently",
    "hang_up",
    "keep_silent",
    "redirect",
    "reset",
    "send_first_word",
    "speak_no_http",
    "stop_in_the_body",
    "stop_in_the_head",
    "swell",
    "welcome_html",
]

Spoiling: TypeAlias = Callable[[asyncio.Transport, WireAnswer, float], Awaitable[None]]
"""Writes an answer, or what comes in its place, to a connection; the number is the fault's seconds."""

_PIECES: Final = 20
"""Writes in which a slow answer comes."""
_LOOK_EVERY: Final = 0.1
"""Seconds after which a connection that is kept waiting is looked at."""
_MOST_PIECE: Final = 1_048_576
_TOO_MUCH: Final = 65
"""Mebibytes: more than ten messages of 1 MiB can take with every character escaped."""
_LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing then resets the connection instead of ending it."""
_HTML: Final = b"<!DOCTYPE html><html><body><h1>%s</h1><p>proxy.example</p></body></html>"


# Without an answer ------------------------------------------------------------------------------------


async def hang_up(line: asyncio.Transport, _: WireAnswer, __: float) -> None:
    """End the connection (FIN)."""
    line.close()


async def reset(line: asyncio.Transport, _: WireAnswer, __: float) -> None:
    """Reset the connection (RST)."""
    line.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    line.abort()


async def keep_silent(line: asyncio.Transport, _: WireAnswer, seconds: float) -> None:
    """Leave the connection half open: nothing comes for so many seconds, or until the client hangs up."""
    await _while_connected(line, seconds)
    line.abort()


async def stop_in_the_head(line: asyncio.Transport, answer: WireAnswer, _: float) -> None:
    """Break off in the middle of the headers."""
    head = _head(answer)
    _end(line, head[: len(head) // 2])


async def stop_in_the_body(line: asyncio.Transport, answer: WireAnswer, _: float) -> None:
    """Promise the whole body, send half of it, and end the connection."""
    _end(line, _head(answer), answer.body[: len(answer.body) // 2])


# With something else in its place -----------------------------------------------------------------------


async def answer_failure(line: asyncio.Transport, _: WireAnswer, __: float) -> None:
    """Answer that SQS has failed, when it has not."""
    failed = b'{"__type":"com.amazonaws.sqs#InternalFailure","message":"We encountered an internal error."}'
    _end(line, _whole(WireAnswer(500, failed, {"x-amzn-query-error": "InternalFailure;Receiver"})))


async def speak_no_http(line: asyncio.Transport, _: WireAnswer, __: float) -> None:
    """Say something in another protocol."""
    _end(line, b"220 mail.example ESMTP\r\n\x00\x16\x03\x01\xff\xfe\r\n\r\n")


async def answer_html(line: asyncio.Transport, _: WireAnswer, __: float) -> None:
    """Answer as a gateway whose upstream is gone."""
    _end(line, _page(502, b"502 Bad Gateway"))


async def welcome_html(line: asyncio.Transport, _: WireAnswer, __: float) -> None:
    """Answer as the page before which a network wants to be paid: with success, and in HTML."""
    _end(line, _page(200, b"Welcome to our network"))


async def redirect(line: asyncio.Transport, _: WireAnswer, __: float) -> None:
    """Send the client elsewhere, where it should not go with what it carries."""
    moved = WireAnswer(307, b"", {"Location": "http://elsewhere.invalid/"})
    _end(line, _head(moved))


async def answer_other_json(line: asyncio.Transport, _: WireAnswer, __: float) -> None:
    """Answer with success, in JSON, and with what is no answer of SQS."""
    _end(line, _whole(WireAnswer(200, b'[{"Messages": null}, 1e999')))


async def swell(line: asyncio.Transport, _: WireAnswer, __: float) -> None:
    """Send more than any answer may have."""
    line.write(_head(WireAnswer(200, b""), ("Transfer-Encoding: chunked",)))
    piece = b"%x\r\n%s\r\n" % (_MOST_PIECE, b" " * _MOST_PIECE)
    for _mebibyte in range(_TOO_MUCH):
        if line.is_closing():
            return
        line.write(piece)
        await asyncio.sleep(0.001)  # for others to get their turn, and for us to hear that the client has had enough
    _end(line)


# With the answer, in another way ---------------------------------------------------------------------------


async def answer_late(line: asyncio.Transport, answer: WireAnswer, seconds: float) -> None:
    """Answer after so many seconds."""
    await _while_connected(line, seconds)
    _end(line, _whole(answer))


async def drip(line: asyncio.Transport, answer: WireAnswer, seconds: float) -> None:
    """Let the answer trickle, so that it takes so many seconds."""
    whole = _whole(answer)
    size = max(1, -(-len(whole) // _PIECES))
    for start in range(0, len(whole), size):
        if line.is_closing():
            return
        line.write(whole[start : start + size])
        await asyncio.sleep(seconds / _PIECES)
    _end(line)


async def answer_in_pieces(line: asyncio.Transport, answer: WireAnswer, _: float) -> None:
    """Send the body in chunks of odd sizes, without saying how long it is."""
    size = max(1, len(answer.body) // 3 - 1)
    pieces = [answer.body[start : start + size] for start in range(0, len(answer.body), size)]
    chunks = b"".join(b"%X;odd=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    _end(line, _head(answer, ("Transfer-Encoding: chunked",)), chunks, b"0\r\nX-Trailer: 1\r\n\r\n")


async def answer_until_the_end(line: asyncio.Transport, answer: WireAnswer, _: float) -> None:
    """Let the end of the connection alone say where the body ends."""
    _end(line, _head(answer, ("Connection: close",)), answer.body)


async def announce_the_end(line: asyncio.Transport, answer: WireAnswer, _: float) -> None:
    """Answer, saying that the connection ends with it."""
    _end(line, _whole(answer))


async def end_silently(line: asyncio.Transport, answer: WireAnswer, seconds: float) -> None:
    """Answer, and end the connection a little later, perhaps under the client's next request."""
    line.write(_whole(answer, last=False))
    line.pause_reading()  # what the client asks meanwhile is never read
    await asyncio.sleep(seconds)
    _end(line)


async def send_first_word(line: asyncio.Transport, answer: WireAnswer, _: float) -> None:
    """Send an answer that is not final before the one that is."""
    _end(line, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", _whole(answer))


# Written by hand -----------------------------------------------------------------------------------------


def _end(line: asyncio.Transport, *parts: bytes) -> None:
    for part in parts:
        if not line.is_closing():
            line.write(part)
    line.close()


def _whole(answer: WireAnswer, *, last: bool = True) -> bytes:
    """Return a whole answer, which says that the connection ends with it, if it is the `last`."""
    end = ("Connection: close",) if last else ()
    return _head(answer, (f"Content-Length: {len(answer.body)}", *end)) + answer.body


def _head(answer: WireAnswer, more: Iterable[str] | None = None) -> bytes:
    """Return status line and headers; without `more` with the length that the whole body has."""
    measured = (f"Content-Length: {len(answer.body)}",) if more is None else more
    typed = {"Content-Type": CONTENT_TYPE, **answer.headers}
    named = [f"{name}: {value}" for name, value in typed.items()]
    reason = HTTPStatus(answer.status).phrase
    return "\r\n".join([f"HTTP/1.1 {answer.status} {reason}", *named, *measured, "", ""]).encode("latin-1")


def _page(status: int, title: bytes) -> bytes:
    return _whole(WireAnswer(status, _HTML % title, {"Content-Type": "text/html; charset=utf-8"}))


async def _while_connected(line: asyncio.Transport, seconds: float) -> None:
    """Return after so many seconds, or soon after the client has hung up (of which a transport tells its protocol alone)."""
    steps = max(1, round(seconds / _LOOK_EVERY))
    for _ in range(steps):
        if line.is_closing():
            return
        await asyncio.sleep(seconds / steps)
