"""The list of records over DynamoDB's indexes: days, or the few that did not succeed, each in some partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqsjobs.job import JobId
from sqsjobs.store import rules
from sqsjobs.store.base import JobRecord
from sqsjobs.store.dynamodb.client import DynamoClient
from sqsjobs.store.dynamodb.items import ENDED, SHARDS, day_of, place_text
from sqsjobs.store.ledger import Listed
from sqsjobs.store.listing import JobQuery, Place

__all__ = ["Lister"]

_DAY: Final = 24 * 3600
_DAYS_BACK: Final = 60
"""Days after which nothing is looked for: whatever was enqueued before has ended, and its record has gone."""
_DAYS_A_PAGE: Final = 4
"""Days that one page looks at; it may so be empty, and not the last."""
_LOOKS: Final = 100
"""Places that are read of each partition at once."""
_PATIENCE: Final = 2000
"""Records of one day that one page looks at."""


class Lister:
    """Lists records of one table.

    Args:
        client: open.
        table: its name.
        records: reads records by their ids, in order, without those that are gone.
    """

    def __init__(
        self, client: DynamoClient, table: str, records: Callable[[Sequence[JobId]], Awaitable[list[JobRecord]]]
    ) -> None:
        self._client = client
        self._table = table
        self._records = records

    async def newest(self, query: JobQuery, after: Place | None, now: float) -> Listed:
        """Do `Ledger.newest`."""
        if query.status in ENDED:
            return await self._walk(("by_end", "ended", query.status.value), query, after, now, query.limit)
        days = _days(query, after, now)
        found: list[JobRecord] = []
        for day in days[:_DAYS_A_PAGE]:
            part = await self._walk(("by_day", "day", day_of(day)), query, after, now, query.limit - len(found))
            found += part.records
            if part.rest:
                return Listed(found, part.rest)
            if len(found) == query.limit:
                break
        else:
            day = days[:_DAYS_A_PAGE][-1]
        return Listed(found, None if day == days[-1] else Place(float(day), ""))

    async def _walk(
        self, where: tuple[str, str, str], query: JobQuery, after: Place | None, now: float, most: int
    ) -> Listed:
        """List at most `most` records of one value of an index."""
        found: list[JobRecord] = []
        looked, is_all = 0, False
        while not is_all:
            places, is_all = await self._places(where, query, after)
            records = {record.id: record for record in await self._records([JobId(it.job_id) for it in places])}
            for place in places:
                if len(found) == most or looked == _PATIENCE:
                    return Listed(found, after)
                looked, after = looked + 1, place
                record = records.get(JobId(place.job_id))
                if record and _is_wanted(record, query, now):
                    found.append(record)
        return Listed(found)

    async def _places(
        self, where: tuple[str, str, str], query: JobQuery, after: Place | None
    ) -> tuple[list[Place], bool]:
        """Return the next places of one value of an index, in order, and whether these are all."""
        pages = await asyncio.gather(*(self._page(where, shard, query, after) for shard in range(SHARDS)))
        floor = max((places[-1] for places, is_cut in pages if is_cut), default="")
        texts = sorted((place for places, _ in pages for place in places if place >= floor), reverse=True)
        return [_place(text) for text in texts], not floor

    async def _page(
        self, where: tuple[str, str, str], shard: int, query: JobQuery, after: Place | None
    ) -> tuple[list[str], bool]:
        index, attribute, value = where
        first = f"{max(query.since or 0.0, 0.0):018.7f}"
        last = place_text(after) if after else "~"
        answer: Any = await self._client.call(
            "query",
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression="#partition = :partition AND #place BETWEEN :first AND :last",
            ExpressionAttributeNames={"#partition": attribute, "#place": "place"},
            ExpressionAttributeValues={
                ":partition": {"S": f"{value}#{shard}"},
                ":first": {"S": first},
                ":last": {"S": max(first, last)},
            },
            ScanIndexForward=False,
            Limit=_LOOKS,
        )
        places = [item["place"]["S"] for item in answer["Items"]]
        return [place for place in places if place != last], "LastEvaluatedKey" in answer and bool(places)


def _days(query: JobQuery, after: Place | None, now: float) -> list[int]:
    """Return the beginnings of the days to look at, the last one first."""
    last = after.enqueued_at if after else now + _DAY  # the producers' clocks may be ahead
    if after and not after.job_id:
        last -= _DAY  # that day is done
    first = max(now - _DAYS_BACK * _DAY, query.since or 0.0)
    return [day * _DAY for day in range(int(last // _DAY), int(min(first, last) // _DAY) - 1, -1)]


def _place(text: str) -> Place:
    date, _, job_id = text.partition("#")
    return Place(float(date), job_id)


def _is_wanted(record: JobRecord, query: JobQuery, now: float) -> bool:
    return (
        query.status in (None, record.status)
        and query.task in (None, record.task)
        and rules.current(record, now) is not None
    )
