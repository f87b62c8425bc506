"""The answer to a batch of sends, deletes or visibility changes: what nobody asked for is skipped, what is wrong is refused.

Null stands for what is absent, as it does for botocore: some servers answer it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NotRequired, TypedDict

import msgspec

__all__ = ["read_batch"]


class _Done(TypedDict):
    Id: str
    MessageId: NotRequired[str]


class _Failed(TypedDict):
    Id: str
    Code: str
    Message: NotRequired[str | None]
    SenderFault: NotRequired[bool | None]


class _Batch(TypedDict):
    Successful: NotRequired[list[_Done] | None]
    Failed: NotRequired[list[_Failed] | None]


_decode: Final = msgspec.json.Decoder(_Batch).decode


def read_batch(body: bytes) -> Mapping[str, Any]:
    """Return the entries of an answer's body, ``Successful`` and ``Failed``, where they are there.

    Raises:
        msgspec.DecodeError: for what is no JSON, or not what SQS answers.
        UnicodeDecodeError, RecursionError: for JSON that is not UTF-8, or nested too deeply.
    """
    return {name: entries for name, entries in _decode(body).items() if entries is not None}
