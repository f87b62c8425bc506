"""What the worker writes on a dead letter: why the message is there, in one message attribute."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["ANNOTATION", "Annotation"]

ANNOTATION: Final = "sqsjobs"
"""The name of the message attribute that says why a message is in the dead-letter queue."""

_ANNOTATION_BYTES: Final = 2048


class Annotation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a message is in the dead-letter queue: the JSON of its one attribute, at most 2 KiB.

    Attributes:
        reason: ``invalid-envelope``, that of an `UntrustedEnvelope`, ``invalid-arguments``, ``payload-missing``, ``payload-mismatch``,
            ``unknown-task``, ``unsupported-version``, ``callback-refused``, ``exhausted``,
            ``failed`` (for good), ``timed-out`` (for good), ``rejected``, ``crash-limit`` or ``retention``.
        queue: the queue it came from.
        worker: which worker put it here.
        time: when, RFC 3339.
        task: the task's name, where the message named one.
        job_id: the job, where the message was one.
        error_type: the last error's type.
        error: the first 200 characters of its text, unless the app says ``annotate_errors=False``.
        fingerprint: equal for failures raised at the same place.
        attempts: how often the function was started.
        epoch: the record's epoch, so that a message sent back opens exactly this record again.
    """

    reason: str
    queue: str
    worker: str
    time: str
    task: str = ""
    job_id: str = ""
    error_type: str = ""
    error: str = ""
    fingerprint: str = ""
    attempts: int = 0
    epoch: int = 0

    def encode(self) -> str:
        """Return the attribute's value: ASCII, so that SQS takes it and every tool shows it."""
        text = _ascii(self)
        for longest in _SHORTENED_TO:
            if len(text) <= _ANNOTATION_BYTES:
                break
            shortened = {name: getattr(self, name)[:longest] for name in _FREE_TEXTS}
            text = _ascii(msgspec.structs.replace(self, **shortened))
        return text

    @staticmethod
    def decode(value: str) -> Annotation:
        """Read an attribute's value.

        Raises:
            ValueError: if it is none of ours.
        """
        return msgspec.json.decode(value, type=Annotation)


_FREE_TEXTS: Final = ("error", "task", "error_type", "queue", "worker")
_SHORTENED_TO: Final = (160, 80, 20)
"""Characters that are left of each free text where all do not fit; one may take up to 12 bytes."""


def _ascii(annotation: Annotation) -> str:
    """Escape what is not ASCII, or not printable, as JSON can."""
    text = msgspec.json.encode(annotation).decode()
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if " " <= c <= "~" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    r"""Return ``\\uXXXX``, or two of them: arithmetic, because a codec's first use is an import that a message would cause."""
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
