"""``sqsjobs dlq``: dead letters, read with their reasons and sent back."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from sqsjobs.app import App
from sqsjobs.cli.console import counted, note, show_facts, show_json, show_table
from sqsjobs.cli.dead_letters import Choice, DeadLetters, Fate, Letter, Place, Redrive
from sqsjobs.cli.exits import FAILED, NOT_YET, OK
from sqsjobs.cli.job import date
from sqsjobs.cli.options import CHOICE, NO_BACKENDS, AppPath, Backends, open_later
from sqsjobs.errors import ConfigurationError
from sqsjobs.hints import did_you_mean
from sqsjobs.store.base import JobRecord

__all__ = ["list_letters", "redrive_letters", "show_letters"]

_COLUMNS = ("id", "task", "reason", "attempts", "error", "dead-lettered")

Queue = Annotated[
    str, Parameter(alias="-q", help="The queue whose dead letters are meant; needed if the app has several.")
]
Limit = Annotated[int, Parameter(help="Letters that are read at most.")]
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


def list_letters(
    app: AppPath,
    /,
    *,
    queue: Queue = "",
    which: Which = Which(),
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
    letters = asyncio.run(_read(loaded, _queue(loaded, queue), choice, limit))
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
    found = asyncio.run(_read_with_records(loaded, _queue(loaded, queue), Choice(ids={letter_id}), limit))
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


def redrive_letters(
    app: AppPath,
    /,
    *ids: Annotated[str, Parameter(help="Ids of jobs or messages; or say --task, --reason or --all.", metavar="ID")],
    queue: Queue = "",
    which: Which = Which(),
    everything: Annotated[bool, Parameter(name="--all", group=CHOICE, help="Every letter.")] = False,
    dry_run: Annotated[bool, Parameter(alias="-n", help="Only say what would be sent.")] = False,
    yes: Annotated[bool, Parameter(alias="-y", help="Do not ask.")] = False,
    expired: Annotated[bool, Parameter(help="Those too whose seal has expired.")] = False,
    rate: Annotated[float, Parameter(help="Letters a second at most.")] = 50.0,
    limit: Limit = 10_000,
    backends: Backends = NO_BACKENDS,
) -> int:
    """Send dead letters back to their queues, to run with all their attempts.

    It says what it would send, and asks for the queue's name first; --yes does
    not ask. Letters that carry no job, that are not sealed as the app wants it,
    and jobs that have succeeded meanwhile, stay where they are.

        sqsjobs dlq redrive shop.jobs:app 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11
        sqsjobs dlq redrive shop.jobs:app --reason exhausted --dry-run
        sqsjobs dlq redrive shop.jobs:app --queue images --all --yes --rate 10

    Ends with 1 if a chosen letter could not be sent, with 3 if none has the ids.
    """
    if not (ids or which.task or which.reason or everything):
        raise ConfigurationError("which letters? Give their ids, or --task, --reason or --all")
    if rate <= 0:
        raise ConfigurationError(f"--rate is more than 0 letters a second, not {rate:g}")
    loaded = open_later(app, backends)
    source = _queue(loaded, queue)
    chosen = asyncio.run(_read(loaded, source, Choice(set(ids), which.task, which.reason), limit))
    _announce(chosen, source)
    if not chosen or dry_run or not (yes or _confirmed(source)):
        return NOT_YET if ids and not chosen else OK
    # Those that were announced and no others, though more may have come meanwhile.
    meant = {letter.delivery.message_id for letter in chosen}
    fates = asyncio.run(_redrive(loaded, source, meant, limit, rate, expired=expired))
    return _report(fates)


# Reading --------------------------------------------------------------------------------------------


def _queue(app: App, asked: str) -> str:
    queues = app.registry.queues()
    if asked:
        if asked not in queues and (hint := did_you_mean(asked, queues)):
            note(f"no task of the app names queue {asked!r}.{hint}")
        return asked
    if len(queues) == 1:
        return queues[0]
    raise ConfigurationError(f"the app has several queues: choose one of {', '.join(queues)} with --queue")


async def _read(app: App, source: str, choice: Choice, limit: int) -> list[Letter]:
    async with app, _dead_letters(app, source) as place:
        return [letter async for batch in place.batches(limit) for letter in batch if letter in choice]


async def _read_with_records(
    app: App, source: str, choice: Choice, limit: int
) -> list[tuple[Letter, JobRecord | None]]:
    """Read letters and, with a job store, their records: of a job that SQS itself moved, it has not ended."""
    async with app, _dead_letters(app, source) as place:
        letters = [letter async for batch in place.batches(limit) for letter in batch if letter in choice]
        return [(it, await app.store.get(it.job.id) if app.store and it.job else None) for it in letters]


@asynccontextmanager
async def _dead_letters(app: App, source: str, *, expired: bool = True) -> AsyncIterator[DeadLetters]:
    url = (await app.transport.describe(source)).dead_letter_queue
    if url is None:
        raise ConfigurationError(f"queue {source!r} has no dead-letter queue; `sqsjobs queues apply` makes one")
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


# Redriving ------------------------------------------------------------------------------------------


def _announce(chosen: Sequence[Letter], source: str) -> None:
    kinds = Counter((letter.task or "(no job)", letter.reason) for letter in chosen)
    show_table(["TASK", "REASON", "LETTERS"], [[*kind, count] for kind, count in sorted(kinds.items())])
    note(f"{counted(len(chosen), 'dead letter')} of queue {source!r} to be sent back")


def _confirmed(source: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("nothing was sent: there is nobody to ask, so say --yes")
    note(f"type the queue's name, {source}, to send them:")
    if input() == source:
        return True
    note("nothing was sent")
    return False


async def _redrive(
    app: App, source: str, message_ids: set[str], limit: int, rate: float, *, expired: bool
) -> list[Fate]:
    from rich.console import Console  # noqa: PLC0415 - only where something is shown
    from rich.progress import Progress  # noqa: PLC0415

    fates: list[Fate] = []
    left = set(message_ids)  # each is sent once: a copy that fails again meanwhile is another message, of the same job
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("sending back", total=len(message_ids))
        async with app, _dead_letters(app, source, expired=expired) as place:
            redrive = Redrive(app.transport, app.store, app.sealing, rate)
            async for batch in place.batches(limit):
                letters = [letter for letter in batch if letter.delivery.message_id in left]
                left.difference_update(letter.delivery.message_id for letter in letters)
                fates += await redrive.carry_out(letters, place, now=time.time())
                progress.advance(bar, len(letters))
                if not left:
                    break
    return fates


def _report(fates: Sequence[Fate]) -> int:
    left = [fate for fate in fates if fate.problem]
    for fate in left:
        note(f"{fate.letter.id} stays: {fate.problem}", "yellow")
    note(f"{len(fates) - len(left)} sent back, {len(left)} left where they are")
    return FAILED if left else OK
