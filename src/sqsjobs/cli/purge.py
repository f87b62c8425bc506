"""``sqsjobs dlq purge``: dead letters deleted for good."""

from __future__ import annotations

import asyncio

from sqsjobs.app import App
from sqsjobs.cli.consent import CONSENT, Consent
from sqsjobs.cli.console import counted, note
from sqsjobs.cli.dead_letters import Choice
from sqsjobs.cli.dlq import (
    ANY,
    Everything,
    Ids,
    Limit,
    Queue,
    Which,
    announce,
    choice_of,
    dead_letter_queue,
    queue_asked,
    read_letters,
    reading,
)
from sqsjobs.cli.exits import FAILED, NOT_YET, OK
from sqsjobs.cli.options import NO_BACKENDS, AppPath, Backends, open_later

__all__ = ["purge_letters"]


def purge_letters(
    app: AppPath,
    /,
    *ids: Ids,
    queue: Queue = "",
    which: Which = ANY,
    everything: Everything = False,
    consent: Consent = CONSENT,
    limit: Limit = 10_000,
    backends: Backends = NO_BACKENDS,
) -> int:
    """Delete dead letters for good; the records of their jobs stay.

    It only says what it would delete; with --execute it asks for the name of the
    dead-letter queue and deletes then, with --yes it does not ask. --all empties
    the dead-letter queue, whoever shares it, which SQS does once in 60 seconds.

        sqsjobs dlq purge shop.jobs:app --reason invalid-envelope
        sqsjobs dlq purge shop.jobs:app --task resize --execute
        sqsjobs dlq purge shop.jobs:app --queue images --all --yes

    Ends with 1 if a chosen letter could not be deleted, with 3 if none has the ids.
    """
    choice = choice_of(ids, which, everything=everything)
    loaded = open_later(app, backends)
    source = queue_asked(loaded, queue)
    if choice == Choice(set()):
        return asyncio.run(_empty(loaded, source, consent))
    return _delete_chosen(loaded, source, choice, consent, limit)


def _delete_chosen(app: App, source: str, choice: Choice, consent: Consent, limit: int) -> int:
    chosen = asyncio.run(read_letters(app, source, choice, limit))
    announce(chosen, f"of queue {source!r} to be deleted for good")
    if not chosen or not consent.given(asyncio.run(_name_of_letters(app, source)), "deleted"):
        return NOT_YET if choice.ids and not chosen else OK
    # Those that were announced and no others, though more may have come meanwhile.
    gone = asyncio.run(_delete(app, source, {letter.delivery.message_id for letter in chosen}, limit))
    note(f"{gone:,} deleted, {len(chosen) - gone:,} left where they are")
    return OK if gone == len(chosen) else FAILED


async def _name_of_letters(app: App, source: str) -> str:
    async with app:
        return _name(await dead_letter_queue(app, source))


async def _delete(app: App, source: str, message_ids: set[str], limit: int) -> int:
    gone, left = 0, set(message_ids)
    async with app, reading(app, source) as place:
        async for batch in place.batches(limit):
            letters = [letter for letter in batch if letter.delivery.message_id in left]
            left.difference_update(letter.delivery.message_id for letter in letters)
            gone += await place.delete(letters)
            if not left:
                break
    return gone


async def _empty(app: App, source: str, consent: Consent) -> int:
    """Let SQS delete all there is: its counts are only shown, for they lag by up to a minute."""
    async with app:
        url = await dead_letter_queue(app, source)
    name = _name(url)
    async with app.queue_admin() as admin:
        (found,) = await admin.stats([url])
        count = found.visible + found.in_flight + found.delayed
        note(f"{name} has about {counted(count, 'dead letter')}, all to be deleted for good: those of every queue that")
        note("shares it, and those that somebody reads just now")
        if not consent.given(name, "deleted"):
            return OK
        await admin.purge(url)
    note(f"SQS empties {name} within 60 seconds; what arrives meanwhile may go, too", "green")
    return OK


def _name(url: str) -> str:
    return url.rpartition("/")[2]
