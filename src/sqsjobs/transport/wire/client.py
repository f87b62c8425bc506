"""The hot calls to SQS over the lean path: encoded, signed, sent once, and their answers read or their errors mapped."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from sqsjobs.errors import AccessDenied, RequestRejected, TransportError, TransportUnavailable
from sqsjobs.transport.answers import UNREADABLE, read_answer
from sqsjobs.transport.server_time import ServerTime, dated
from sqsjobs.transport.sqs_errors import answered_error, is_about_the_clock
from sqsjobs.transport.wire.connection import Answer, NoAnswer, Request
from sqsjobs.transport.wire.pool import Connections
from sqsjobs.transport.wire.signing import Credentials, Signer, UnusableCredentials

__all__ = ["HOT", "CredentialSource", "LeanClient", "no_sqs"]

HOT: Final = frozenset(
    {
        "SendMessage",
        "SendMessageBatch",
        "ReceiveMessage",
        "DeleteMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
    }
)
"""The operations that are spoken here."""

_encode = msgspec.json.Encoder().encode


class _Refusal(msgspec.Struct, frozen=True, gc=False):
    """What an error's body says."""

    kind: str | None = msgspec.field(name="__type", default=None)
    code: str | None = None
    message: str | None = None
    old_message: str | None = msgspec.field(name="Message", default=None)


_decode_refusal = msgspec.json.Decoder(_Refusal).decode


class CredentialSource(Protocol):
    """Where credentials come from; asked before every request, so that rotated ones are used at once."""

    async def current(self) -> Credentials:
        """Return credentials that are valid now.

        Raises:
            UnusableCredentials: if nothing can be signed with them. What else it raises is its user's business.
        """
        ...


class LeanClient:
    """Makes the hot calls, every one bounded, none repeated.

    Args:
        connections: to the endpoint.
        signer: for the endpoint.
        credentials: whom requests are signed as.
        server_time: hears the dates of answers.
    """

    def __init__(
        self,
        connections: Connections,
        signer: Signer,
        credentials: CredentialSource,
        server_time: ServerTime | None = None,
    ) -> None:
        self._connections = connections
        self._signer = signer
        self._credentials = credentials
        self._server_time = server_time or ServerTime()

    async def answer(
        self, operation: str, queue: str, deadline: float, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Make one request and return its answer.

        Args:
            operation: a hot one.
            queue: what the app calls the queue, for errors.
            deadline: seconds for all of it: credentials, a place in the pool, a connection, the answer.
            parameters: as SQS names them.

        Raises:
            TransportError: if the call failed as a whole.
        """
        request = Request(_body(operation, queue, parameters))
        skew, asked_at = self._signer.skew, self._server_time.asked()
        try:
            async with asyncio.timeout(deadline):
                request.head = self._signer.head(operation, request.body, await self._credentials.current())
                answer = await self._connections.request(request)
        except (NoAnswer, TimeoutError, UnusableCredentials) as error:
            raise _unanswered(error, request, deadline, operation, queue) from error
        if answer.status == 200 and b"json" in answer.headers.get(b"content-type", b"json"):
            if asked_at is not None:
                self._server_time.heard(_date(answer), asked_at)
            return _contents(answer, operation, queue)
        raise self._refusal(answer, skew, operation, queue)

    def _refusal(self, answer: Answer, skew: float, operation: str, queue: str) -> TransportError:
        """Return the error for an answer that is no success, to a request dated with `skew`."""
        if answer.status < 400:
            kind = answer.headers.get(b"content-type", b"no content type").decode("latin-1")
            return no_sqs(f"HTTP status {answer.status}, {kind[:100]}", operation, queue)
        code, text = _said(answer)
        if is_about_the_clock(code) and self._signer.correct(dated(_date(answer)), skew):
            problem = (
                f"SQS answered {operation} on {queue!r} with {code}, as this machine's clock is wrong: "
                "requests are dated by SQS's clock from now on"
            )
            return TransportUnavailable(problem, operation=operation, queue=queue, code=code, sent=False)
        return answered_error(code, text, answer.status, operation=operation, queue=queue)


def _body(operation: str, queue: str, parameters: Mapping[str, Any]) -> bytes:
    try:
        return _encode(parameters)
    except UnicodeEncodeError as error:
        problem = f"{operation} on {queue!r} has text that is no Unicode: {error.reason}"
        raise RequestRejected(problem, operation=operation, queue=queue, sent=False) from error


def _unanswered(error: Exception, request: Request, deadline: float, operation: str, queue: str) -> TransportError:
    match error:
        case UnusableCredentials():
            problem = f"the AWS credentials cannot be used for {operation} on {queue!r}: {error}"
            return AccessDenied(problem, operation=operation, queue=queue, sent=False)
        case TimeoutError() if request.written:
            problem = f"SQS did not answer {operation} on {queue!r} within {deadline:g} s"
        case TimeoutError():
            problem = f"{operation} on {queue!r} got no connection (or no credentials) within {deadline:g} s"
        case _:
            problem = f"SQS did not answer {operation} on {queue!r}: {error}"
    return TransportUnavailable(problem, operation=operation, queue=queue, sent=request.written)


def _contents(answer: Answer, operation: str, queue: str) -> Mapping[str, Any]:
    try:
        return read_answer(operation, answer.body)
    except UNREADABLE as error:
        raise no_sqs(f"what cannot be read ({error})", operation, queue) from error


def no_sqs(kind: str, operation: str, queue: str) -> TransportUnavailable:
    """Return the error for an answer that SQS does not give."""
    problem = f"{operation} on {queue!r} was answered with {kind}: is the endpoint an SQS endpoint?"
    return TransportUnavailable(problem, operation=operation, queue=queue)


def _said(answer: Answer) -> tuple[str, str]:
    """Return the code and the text of an error.

    Source: Smithy's "AWS JSON 1.0 protocol" (Operation error serialization) and "AWS Query compatible" trait: the code
    of the old protocol, which tells more, is in a header.
    """
    try:
        said = _decode_refusal(answer.body)
    except UNREADABLE:
        said = _Refusal()
    kind = (said.kind or said.code or "").partition(":")[0].rpartition("#")[2]
    old_code = answer.headers.get(b"x-amzn-query-error", b"").decode("latin-1").partition(";")[0]
    return old_code or kind or str(answer.status), said.message or said.old_message or ""


def _date(answer: Answer) -> str:
    return answer.headers.get(b"date", b"").decode("latin-1")
