"""Tasks as a project declares them: with Django's own decorator."""

from __future__ import annotations

import threading
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from tests.integrations.bazaar.models import Order

from sqsjobs import Discard

try:
    from django.tasks import task
except ModuleNotFoundError:
    from django_tasks import task


__all__ = [
    "aconnected",
    "broken",
    "connected",
    "note",
    "opened",
    "order",
    "pair",
    "pointless",
    "second_time",
    "task",
    "told",
    "unspeakable",
]


@task
def order(number: int, *, note: str = "") -> dict[str, Any]:
    """Write to the database in a thread of the worker's."""
    made = Order.objects.create(number=number, note=note)
    return {"number": made.number, "note": made.note}


@task(queue_name="mails")
async def note(number: int) -> str:
    """Read from it on the event loop."""
    return (await Order.objects.aget(number=number)).note


@task(takes_context=True)
def told(context: Any, *words: str) -> list[Any]:
    """Return what a task is told of itself."""
    result = context.task_result
    return [context.attempt, result.id, result.status, result.task.queue_name, result.args, words]


@task(takes_context=True)
async def second_time(context: Any) -> int:
    """Fail, and then succeed."""
    if context.attempt == 1:
        raise LookupError("not yet")
    return int(context.attempt)


@task
def broken() -> None:
    """Fail each time."""
    raise ValueError("never")


@task
def pointless() -> None:
    """End without having failed, as sqsjobs sees it."""
    raise Discard("no need")


@task
def unspeakable() -> object:
    """Return what has no JSON form."""
    return threading.Lock()


@task
def pair() -> tuple[int, bytes]:
    """Return what Django turns into JSON."""
    return 1, b"two"


opened: list[Any] = []
"""The connections to the database that the tasks below had."""


@task
def connected() -> int:
    """Have a connection in a thread."""
    count = int(Order.objects.count())
    opened.append(connection.connection)
    return count


@task
async def aconnected() -> int:
    """Have one beside the event loop."""
    return int(await sync_to_async(connected.func)())
