"""Callbacks that jobs in memory have posted; they went nowhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final  # Any: JSON

import msgspec

from sqsjobs.callbacks import Callbacks
from sqsjobs.callbacks.posts import Answer, Post, Reach

__all__ = ["PostedCallback", "kept"]

_KEY: Final = "whsec_" + "dGVz" * 8
"""Tests need no key of their own."""


@dataclass(frozen=True, slots=True)
class PostedCallback:
    """A callback that was posted.

    Attributes:
        id: its ``webhook-id``.
        url: where to.
        event: what was posted: ``type``, ``timestamp`` and ``data``.
    """

    id: str
    url: str
    event: Any


def kept(callbacks: Callbacks, posts: list[PostedCallback]) -> Callbacks:
    """Return a copy of `callbacks` that keeps in `posts` what is to be posted, and answers that it has arrived."""

    async def keep(post: Post, _: Reach) -> Answer:
        posts.append(PostedCallback(post.headers["webhook-id"], post.url, msgspec.json.decode(post.body)))
        return Answer(204)

    return replace(callbacks, keys=[_KEY], deliver=keep)
