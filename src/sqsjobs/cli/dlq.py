"""``sqsjobs dlq list`` and ``show``: dead letters, read with their reasons, and put back as they were."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from sqsjobs.app import App
from sqsjobs.cli.console import counted, note, show_facts, show_json, show_table
from sqsjobs.cli.dead_letters import Choice, DeadLetters, Letter, Place
from sqsjobs.cli.exits import NOT_YET, OK
from sqsjobs.cli.job import date
from sqsjobs.cli.options import CHOICE, NO_BACKENDS, AppPath, Backends, open_later
from sqsjobs.errors import ConfigurationError
from sqsjobs.hints import did_you_mean
from sqsjobs.store.base import JobRecord

__all__ = [
    "ANY",
    "Everything",
    "Ids",
    "Limit",
    "Queue",
    "Which",
    "announce",
    "choice_of",
    "dead_letter_queue",
    "list_letters",
    "queue_asked",
    "read_letters",
    "reading",
    "show_letters",
]

_COLUMNS = ("id", "task", "reason", "attempts", "error", "dead-lettered")

Queue = Annotated[
    str, Parameter(alias="-q", help="The queue whose dead letters are meant; needed if the app has several.")
]
Limit = Annotated[int, Parameter(help="Letters that are read at most.")]
Ids = Annotated[str, Parameter(help="Ids of jobs or messages; or say --task, --reason or --all.", metavar="ID")]
Everything = Annotated[bool, Parameter(name="--all", negative="", group=CHOICE, help="Every letter.")]
Json = Annotated[bool, Parameter(help="Print JSON.")]


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class Which:
    """Which letters are meant.

    Attributes:
        task: Only those of this task.
        reason: Only those with this reason, such as exhausted or moved-by-sqs.
    """

    task: str = ""
    reason: str = ""


ANY = Which()
"""All letters, where the ids say nothing else."""


def list_letters(
    app: AppPath,
    /,
    *,
    queue: Queue = "",
    which: Which = ANY,
    limit: Limit = 100,
    json: Json = False,
    backends: Backends = NO_BACKENDS,
) -> None:
    """List dead letters with their reasons, and put them back as they were.

    Of a FIFO queue, SQS shows only the first few letters of each message group.

        sqsjobs dlq list shop.jobs:app
        sqsjobs dlq list shop.jobs:app --queue images --reason exhausted --json
    """
    loaded = open_later(app, backends)
    choice = Choice(task=which.task, reason=which.reason)
    letters = asyncio.run(read_letters(loaded, queue_asked(loaded, queue), choice, limit))
    if json:
        show_json([_facts(letter) for letter in letters])
        return
    show_table([column.upper() for column in _COLUMNS], [list(map(_facts(it).get, _COLUMNS)) for it in letters])
    note(counted(len(letters), "dead letter"))


def show_letters(
    app: AppPath,
    letter_id: Annotated[str, Parameter(help="The id of the job, or of the message.")],
    /,
    *,
    queue: Queue = "",
    arguments: Annotated[
        bool, Parameter(help="Show the job's arguments too, but those that its task declares secret.")
    ] = False,
    raw: Annotated[bool, Parameter(help="Show the message as it is, with its headers and all secrets.")] = False,
    limit: Limit = 10_000,
    json: Json = False,
    backends: Backends = NO_BACKENDS,
) -> int:
    """Show one dead letter.

    Why it is there, its last error, and what it carries; and put it back.

        sqsjobs dlq show shop.jobs:app 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11

    Ends with 3 if there is no such letter.
    """
    loaded = open_later(app, backends)
    found = asyncio.run(_read_with_records(loaded, queue_asked(loaded, queue), Choice(ids={letter_id}), limit))
    if not found:
        note(f"no dead letter has the id {letter_id}")
        return NOT_YET
    for letter, record in found:
        facts = _facts(letter) | {"record": record.status.value if record else None}
        facts |= _arguments(letter, loaded) if arguments else {}
        facts |= {"body": letter.delivery.body} if raw else {}
        if json:
            show_json(facts)
        else:
            show_facts(facts)
    return OK


# Reading --------------------------------------------------------------------------------------------


def queue_asked(app: App, asked: str) -> str:
    """Return the queue whose dead letters are meant.

    Raises:
        ConfigurationError: if none is named and the app has several.
    """
    queues = app.registry.queues()
    if asked:
        if asked not in queues and (hint := did_you_mean(asked, queues)):
            note(f"no task of the app names queue {asked!r}.{hint}")
        return asked
    if len(queues) == 1:
        return queues[0]
    raise ConfigurationError(f"the app has several queues: choose one of {', '.join(queues)} with --queue")


def choice_of(ids: Collection[str], which: Which, *, everything: bool) -> Choice:
    """Return which letters a command is to do something with.

    Raises:
        ConfigurationError: if nothing was said: no command means all letters by default.
    """
    if not (ids or which.task or which.reason or everything):
        raise ConfigurationError("which letters? Give their ids, or --task, --reason or --all")
    return Choice(set(ids), which.task, which.reason)


def announce(chosen: Sequence[Letter], what: str) -> None:
    """Say which letters something is to be done with."""
    kinds = Counter((letter.task or "(no job)", letter.reason) for letter in chosen)
    show_table(["TASK", "REASON", "LETTERS"], [[*kind, count] for kind, count in sorted(kinds.items())])
    note(f"{counted(len(chosen), 'dead letter')} {what}")


async def read_letters(app: App, source: str, choice: Choice, limit: int) -> list[Letter]:
    """Return the letters of queue `source` that are meant, of up to `limit`; they are where they were."""
    async with app, reading(app, source) as place:
        return [letter async for batch in place.batches(limit) for letter in batch if letter in choice]


async def _read_with_records(
    app: App, source: str, choice: Choice, limit: int
) -> list[tuple[Letter, JobRecord | None]]:
    """Read letters and, with a job store, their records: of a job that SQS itself moved, it has not ended."""
    async with app, reading(app, source) as place:
        letters = [letter async for batch in place.batches(limit) for letter in batch if letter in choice]
        return [(it, await app.store.get(it.job.id) if app.store and it.job else None) for it in letters]


async def dead_letter_queue(app: App, source: str) -> str:
    """Return the URL of the dead-letter queue of queue `source` of an open app.

    Raises:
        ConfigurationError: if it has none.
    """
    url = (await app.transport.describe(source)).dead_letter_queue
    if url is None:
        raise ConfigurationError(f"queue {source!r} has no dead-letter queue; `sqsjobs queues apply` makes one")
    return url


@asynccontextmanager
async def reading(app: App, source: str, *, expired: bool = True) -> AsyncIterator[DeadLetters]:
    """Open the dead letters of queue `source` of an open app.

    Raises:
        ConfigurationError: if the queue has no dead-letter queue.
    """
    url = await dead_letter_queue(app, source)
    place = Place(url, source, app.registry.queues(), app.sealing, expired)
    async with DeadLetters(app.transport, place) as letters:
        yield letters


def _facts(letter: Letter) -> dict[str, Any]:
    told, delivery = letter.annotation, letter.delivery
    return {
        "id": letter.id,
        "task": letter.task,
        "reason": letter.reason,
        "error": _error(letter),
        "fingerprint": told.fingerprint if told else "",
        "attempts": told.attempts if told else None,
        "dead-lettered": told.time if told else "",
        "by worker": told.worker if told else "",
        "from queue": told.queue if told else letter.source,
        "enqueued": date(letter.job.enqueued_at if letter.job else delivery.sent_at),
        "message id": delivery.message_id,
        "group": delivery.group,
        "carries no job": letter.problem,
    }


def _arguments(letter: Letter, app: App) -> dict[str, Any]:
    """The arguments as far as they may be shown: which of them are secrets, only the task knows."""
    task = app.registry.get(letter.task)
    if letter.job is None or task is None:
        return {"arguments": "not shown: the app cannot tell which are secret; --raw shows the message as it is"}
    return {"arguments": task.codec.shown_arguments(letter.job.arguments)}


def _error(letter: Letter) -> str:
    told = letter.annotation
    return ": ".join(filter(None, (told.error_type, told.error))) if told else letter.problem
