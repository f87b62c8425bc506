"""The task whose jobs post callbacks: signed anew for each try, and sent by whatever its configuration says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqsjobs.callbacks import CALLBACK_TASK, Callbacks
from sqsjobs.callbacks.answers import check_answer
from sqsjobs.callbacks.posts import Post
from sqsjobs.clock import Clock
from sqsjobs.context import current_job
from sqsjobs.errors import CallbackRefused, ConfigurationError
from sqsjobs.task import Task, task

__all__ = ["callback_task"]

_NOWHERE: Final = "sqsjobs-callbacks"
"""The queue that the task names where callbacks go to the queues of the jobs that have ended."""
_SPARE: Final = 30.0


def callback_task(callbacks: Callbacks, clock: Clock) -> Task[..., Any]:
    """Return the task; `clock` dates what is posted.

    Raises:
        ConfigurationError: if the queue of `callbacks` cannot be.
    """

    @task(
        name=CALLBACK_TASK,
        queue=callbacks.queue or _NOWHERE,
        # No further try makes a URL allowed, or a key known.
        retry=replace(callbacks.retry, give_up_on=(*callbacks.retry.give_up_on, CallbackRefused, ConfigurationError)),
        timeout=callbacks.reach.timeout + _SPARE,
        redact=("url", "body"),
    )
    async def callback(url: str, body: str) -> int:
        to = callbacks.check(url)  # by what is allowed here and now; anybody may have written the message
        raw = body.encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "sqsjobs",
            **callbacks.webhook(to).headers(current_job().id, int(clock.wall()), raw),
        }
        answer = await callbacks.deliver(Post(url, raw, headers), callbacks.reach)
        check_answer(answer, str(to), clock.wall())
        return answer.status

    return callback
