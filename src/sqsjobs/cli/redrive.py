"""``sqsjobs dlq redrive``: dead letters sent back to where they came from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from sqsjobs.app import App
from sqsjobs.cli.consent import CONSENT, Consent
from sqsjobs.cli.console import note
from sqsjobs.cli.dead_letters import Fate, Redrive
from sqsjobs.cli.dlq import (
    ANY,
    Everything,
    Ids,
    Limit,
    Queue,
    Which,
    announce,
    choice_of,
    queue_asked,
    read_letters,
    reading,
)
from sqsjobs.cli.exits import FAILED, NOT_YET, OK
from sqsjobs.cli.options import NO_BACKENDS, AppPath, Backends, open_later
from sqsjobs.errors import ConfigurationError

__all__ = ["redrive_letters"]


def redrive_letters(
    app: AppPath,
    /,
    *ids: Ids,
    queue: Queue = "",
    which: Which = ANY,
    everything: Everything = False,
    consent: Consent = CONSENT,
    expired: Annotated[bool, Parameter(help="Those too whose seal has expired.")] = False,
    rate: Annotated[float, Parameter(help="Letters a second at most.")] = 50.0,
    limit: Limit = 10_000,
    backends: Backends = NO_BACKENDS,
) -> int:
    """Send dead letters back to their queues, to run with all their attempts.

    It only says what it would send; with --execute it asks for the queue's name
    and sends then, with --yes it does not ask. Letters that carry no job, that
    are not sealed as the app wants it, and jobs that have succeeded meanwhile,
    stay where they are.

        sqsjobs dlq redrive shop.jobs:app --reason exhausted
        sqsjobs dlq redrive shop.jobs:app --reason exhausted --execute
        sqsjobs dlq redrive shop.jobs:app --queue images --all --yes --rate 10

    Ends with 1 if a chosen letter could not be sent, with 3 if none has the ids.
    """
    choice = choice_of(ids, which, everything=everything)
    if rate <= 0:
        raise ConfigurationError(f"--rate is more than 0 letters a second, not {rate:g}")
    loaded = open_later(app, backends)
    source = queue_asked(loaded, queue)
    chosen = asyncio.run(read_letters(loaded, source, choice, limit))
    announce(chosen, f"of queue {source!r} to be sent back")
    if not chosen or not consent.given(source, "sent"):
        return NOT_YET if ids and not chosen else OK
    # Those that were announced and no others, though more may have come meanwhile.
    meant = {letter.delivery.message_id for letter in chosen}
    return _report(asyncio.run(_redrive(loaded, source, meant, limit, rate, expired=expired)))


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
        async with app, reading(app, source, expired=expired) as place:
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
