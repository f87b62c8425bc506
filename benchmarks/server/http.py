"""HTTP/1.1 for the benchmark server: one request at a time on each connection, as all clients here ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, cast

import httptools
import msgspec

from benchmarks.server import requests as asked
from benchmarks.server.operations import Answer, House, Refusal, act, received
from benchmarks.server.queue import Given, Queue, Waiter

__all__ = ["Connection"]

_encode = msgspec.json.Encoder().encode
_read_receive = msgspec.json.Decoder(asked.ReceiveMessage).decode
_HEAD: Final = "HTTP/1.1 {} \r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: benchmark\r\n{}Content-Length: {}\r\n\r\n"
_RECEIVE: Final = "AmazonSQS.ReceiveMessage"


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._parser = httptools.HttpRequestParser(self)
        self._target = ""
        self._body = b""
        self._transport: asyncio.Transport | None = None
        self._polling: tuple[Queue, Waiter] | None = None
        self._work: set[asyncio.Task[None]] = set()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if self._polling is not None:
            queue, waiter = self._polling
            queue.leave(waiter)

    # What the parser calls

    def on_message_begin(self) -> None:
        self._target, self._body = "", b""

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"x-amz-target":
                self._target = value.decode()
            case b"expect":
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        try:
            if self._target == _RECEIVE:
                self._receive(_read_receive(self._body))
                return
            answer = act(self._house, self._target, self._body)
        except Refusal as refusal:
            self._refuse(*refusal.args)
        else:
            self._answer_soon(answer)

    def _answer_soon(self, answer: Answer | Awaitable[Answer]) -> None:
        if isinstance(answer, dict):
            self._answer(answer)
            return
        task = asyncio.ensure_future(self._answer_later(answer))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _answer_later(self, answer: Awaitable[Answer]) -> None:
        self._answer(await answer)

    def _receive(self, request: asked.ReceiveMessage) -> None:
        queue = self._house.queue(request.queue_url)
        self._house.calls["ReceiveMessage", queue.name] += 1
        limit, wait = request.max_number_of_messages, request.wait_time_seconds
        given = queue.receive(limit, request.visibility_timeout)
        if given or not wait:
            self._answer(received(given, request))
            return

        def give(found: Given) -> None:
            self._polling = None
            self._answer(received(found, request))

        waiter = Waiter(limit, request.visibility_timeout, give)
        self._polling = queue, waiter
        queue.wait(waiter, wait)

    # Answers

    def _answer(self, answer: Answer) -> None:
        body = _encode(answer)
        self._send(_HEAD.format(200, "", len(body)).encode() + body)

    def _refuse(self, shape: str, code: str, text: str) -> None:
        body = _encode({"__type": f"com.amazonaws.sqs#{shape}", "message": text})
        self._send(_HEAD.format(400, f"x-amzn-query-error: {code};Sender\r\n", len(body)).encode() + body)

    def _send(self, data: bytes) -> None:
        if self._house.delay:
            asyncio.get_running_loop().call_later(self._house.delay, self._write, data)
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
