"""``sqsjobs enqueue``: a job from a shell."""

from __future__ import annotations

import asyncio
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from sqsjobs.app import App
from sqsjobs.cli.console import note, show_json
from sqsjobs.cli.options import NO_BACKENDS, SENDING, AppPath, Backends, open_later
from sqsjobs.errors import InvalidArguments, UnknownTask
from sqsjobs.hints import did_you_mean
from sqsjobs.task import Task

__all__ = ["arguments_json", "enqueue"]


@Parameter(name="*", group=SENDING)
@dataclass(frozen=True, kw_only=True)
class Sending:
    """How the job is sent.

    Attributes:
        queue: Another queue than the task's.
        delay: Seconds before it may start, up to 900; not on FIFO queues.
        group: The message group: required on FIFO, the tenant of a fair queue.
        unique: A key that at most one unfinished job of the task has; needs a job store.
        callback: A URL to which the job's outcome is posted; the app's configuration says where callbacks may go.
    """

    queue: str | None = None
    delay: float | None = None
    group: str | None = None
    unique: str | None = None
    callback: str | None = None


def enqueue(
    app: AppPath,
    task: Annotated[str, Parameter(help="The task's name.")],
    /,
    *arguments: Annotated[str, Parameter(help="Its arguments, as name=value.", metavar="NAME=VALUE")],
    json: Annotated[str | None, Parameter(help="All arguments, as one JSON object.")] = None,
    wait: Annotated[bool, Parameter(alias="-w", help="Wait for the result and print it; needs a job store.")] = False,
    timeout: Annotated[float | None, Parameter(help="Seconds to wait at most.")] = None,
    sending: Sending = Sending(),
    backends: Backends = NO_BACKENDS,
) -> None:
    """Send a job to its queue, and print its id.

    A value is JSON where it can be (200, true, [1,2]) and text otherwise; where
    the task wants a text, it is text. The arguments are checked against the
    task's signature before anything is sent.

        sqsjobs enqueue shop.jobs:app resize key=a.png width=200
        sqsjobs enqueue shop.jobs:app resize --json '{"key": "a.png"}' --wait
        sqsjobs enqueue shop.jobs:app mail to=me@example.org --delay 60

    Ends with 0 when SQS has the job (with --wait: when it succeeded), 1 if it
    failed, 3 if it did not end in time.
    """
    loaded = open_later(app, backends)
    found = _task(loaded, task)
    given = json.encode() if json is not None else arguments_json(found, arguments)
    call = found.using(
        queue=sending.queue,
        delay=sending.delay,
        group=sending.group,
        unique=sending.unique,
        callback=sending.callback,
    )
    asyncio.run(_enqueue(loaded, call, found.codec.decode_arguments(given), wait=wait, timeout=timeout))


async def _enqueue(
    app: App, task: Task[..., Any], arguments: dict[str, Any], *, wait: bool, timeout: float | None
) -> None:
    async with app:
        handle = await task.enqueue(**arguments)
        if handle.deduplicated:
            note("an unfinished job has this key already; it is:")
        if wait:
            note(f"job {handle.id}")
            result = task.codec.encode_result(await handle.result(timeout))
            show_json(task.codec.shown_result(result))
        else:
            print(handle.id)  # noqa: T201 - the result of the command


def _task(app: App, name: str) -> Task[..., Any]:
    found = app.registry.get(name)
    if found is None:
        unknown = UnknownTask(name, app.registry.names)
        if hint := did_you_mean(name, app.registry.names).strip():
            unknown.add_note(hint)
        raise unknown
    return found


def arguments_json(task: Task[..., Any], arguments: Sequence[str]) -> bytes:
    """Return ``name=value`` words as one JSON object.

    Raises:
        InvalidArguments: if a word is none, or a name comes twice.
    """
    hints = _hints(task.function)
    values: dict[str, object] = {}
    for place, word in enumerate(arguments, 1):
        name, equals, text = word.partition("=")
        if not equals or not name:
            # The word itself is not repeated: it may be a secret that was written without its name.
            raise InvalidArguments(task.name, f"word {place} after the task is no argument: write name=value")
        if name in values:
            raise InvalidArguments(task.name, f"argument {name!r} is given twice")
        values[name] = _value(text, hints.get(name))
    return msgspec.json.encode(values)


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):  # the codec says what is wrong with them, where it matters
        return {}


def _value(text: str, hint: object) -> object:
    wanted = typing.get_args(hint) if isinstance(hint, types.UnionType) or _is_union(hint) else (hint,)
    if str in wanted and not (text == "null" and type(None) in wanted):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _is_union(hint: object) -> bool:
    return typing.get_origin(hint) is typing.Union
