"""What FIFO queues remember for five minutes: deduplication ids, and receives that may be asked for again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqsjobs.transport.model.messages import Message, Phase, SentMessage
from sqsjobs.transport.model.refusal import Refusal, invalid_parameter

__all__ = ["MEMORY", "Attempts", "Deduplication", "content_id"]

MEMORY: Final = 300.0
"""Seconds of the deduplication interval, of sends as of receives."""


def content_id(body: str) -> str:
    """Return the deduplication id that ContentBasedDeduplication makes: the SHA-256 of the body alone."""
    return hashlib.sha256(body.encode()).hexdigest()


class Deduplication:
    """What was sent in the last five minutes, by deduplication id; deleting a message does not make it forget."""

    __slots__ = ("_in_order", "_sent")

    def __init__(self) -> None:
        self._sent: dict[tuple[str | None, str], SentMessage] = {}
        self._in_order: deque[tuple[float, tuple[str | None, str]]] = deque()

    def find(self, scope: str | None, deduplication_id: str, now: float) -> SentMessage | None:
        """Return what was sent under this id in this scope (a group, or None for the queue), if it still counts."""
        while self._in_order and self._in_order[0][0] <= now:
            del self._sent[self._in_order.popleft()[1]]
        return self._sent.get((scope, deduplication_id))

    def remember(self, scope: str | None, deduplication_id: str, sent: SentMessage, now: float) -> None:
        """Note a message that has just been accepted."""
        self._sent[scope, deduplication_id] = sent
        self._in_order.append((now + MEMORY, (scope, deduplication_id)))

    def clear(self) -> None:
        """Forget everything, as a purge does."""
        self._sent.clear()
        self._in_order.clear()


@dataclass(frozen=True, slots=True)
class _Attempt:
    until: float
    received: tuple[tuple[Message, int], ...]
    """Messages and the numbers of their receipts; none if the attempt was throttled."""


class Attempts:
    """Receives of the last five minutes by ReceiveRequestAttemptId, so that a lost answer can be asked for again."""

    __slots__ = ("_attempts",)

    def __init__(self) -> None:
        self._attempts: OrderedDict[str, _Attempt] = OrderedDict()

    def replay(self, attempt_id: str, now: float) -> list[Message] | None:
        """Return the messages of an earlier receive under this id, or None if there was none.

        Raises:
            Refusal: where a message of it was deleted, changed, received again or is visible again, or the
                receive was throttled. (The answer of AWS: "not valid anymore since the receive call is not retryable".)
        """
        self._expire(now)
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            return None
        if attempt.received and all(_is_untouched(message, number) for message, number in attempt.received):
            return [message for message, _ in attempt.received]
        reason = "The receiveRequestAttemptId is not valid anymore since the receive call is not retryable."
        raise _not_retryable(attempt_id, reason)

    def remember(self, attempt_id: str, received: Sequence[Message], now: float) -> None:
        """Note a receive; without messages it is one that was throttled, whose id is dead."""
        self._attempts.pop(attempt_id, None)
        self._attempts[attempt_id] = _Attempt(now + MEMORY, tuple((m, m.receive_count) for m in received))

    def _expire(self, now: float) -> None:
        while self._attempts and (oldest := next(iter(self._attempts.items())))[1].until <= now:
            del self._attempts[oldest[0]]


def _is_untouched(message: Message, number: int) -> bool:
    return message.phase is Phase.IN_FLIGHT and message.receive_count == number and not message.touched


def _not_retryable(attempt_id: str, reason: str) -> Refusal:
    return invalid_parameter("ReceiveRequestAttemptId", attempt_id, reason)
