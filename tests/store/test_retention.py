"""When those who write drop what has expired, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.worker.virtual import VirtualLoop

from sqsjobs.errors import StoreUnavailable
from sqsjobs.store.retention import BITE, Retention


class Shop:
    """Has so many expired records, and as many results; says when it was asked to drop some."""

    def __init__(self, expired: int = 0) -> None:
        self.expired = expired
        self.bites: list[float] = []
        self.problem: Exception | None = None

    async def drop(self, now: float) -> tuple[int, int]:
        self.bites.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        if self.problem:
            raise self.problem
        dropped = min(self.expired, BITE)
        self.expired -= dropped
        return dropped, 0


def played(scenario: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scenario())  # type: ignore[arg-type]


async def write_for(seconds: float, retention: Retention, *, every: float = 0.05) -> None:
    """Write twenty times a second."""
    for _ in range(round(seconds / every)):
        retention.look(0.0)
        await asyncio.sleep(every)


def test_a_bite_a_minute_where_little_expires():
    async def scenario():
        shop = Shop(expired=BITE - 1)
        async with Retention(shop.drop) as retention:
            began = asyncio.get_running_loop().time()
            await write_for(600, retention)
        assert shop.expired == 0
        assert shop.bites[0] - began <= 60.1
        assert 6 <= len(shop.bites) <= 20

    played(scenario)


def test_where_much_has_expired_bite_follows_bite_with_room_between_them():
    """A store that took 1,000 records a second loses as many again; others write meanwhile."""

    async def scenario():
        shop = Shop(expired=100 * BITE)
        async with Retention(shop.drop) as retention:
            await write_for(120, retention)
        assert shop.expired == 0
        gaps = [after - before for before, after in zip(shop.bites, shop.bites[1:], strict=False)][:99]
        assert min(gaps) >= 0.125
        assert max(gaps) <= 0.5

    played(scenario)


def test_nothing_is_dropped_where_nobody_writes():
    async def scenario():
        shop = Shop(expired=1)
        async with Retention(shop.drop):
            await asyncio.sleep(3600)
        assert shop.bites == []

    played(scenario)


def test_a_store_that_is_away_is_asked_again_in_a_minute():
    async def scenario():
        shop = Shop(expired=5)
        shop.problem = StoreUnavailable("away")
        async with Retention(shop.drop) as retention:
            await write_for(300, retention)
            assert 3 <= len(shop.bites) <= 10
            shop.problem = None
            await write_for(100, retention)
        assert shop.expired == 0

    played(scenario)


def test_a_bite_that_was_begun_is_waited_for_at_the_close():
    async def scenario():
        shop = Shop(expired=5)
        async with Retention(shop.drop) as retention:
            await asyncio.sleep(61)
            retention.look(0.0)
        assert shop.expired == 0

    played(scenario)


@pytest.mark.parametrize("expired", [0, 1, BITE - 1, BITE, BITE + 1, 3 * BITE])
def test_all_is_dropped_bite_by_bite_where_somebody_asks_for_it(expired):
    async def scenario():
        shop = Shop(expired)
        async with Retention(shop.drop) as retention:
            assert await retention.drop_all(0.0) == expired
        assert shop.expired == 0
        assert len(shop.bites) == expired // BITE + 1

    played(scenario)
