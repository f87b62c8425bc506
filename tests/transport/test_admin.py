"""Administration of queues, against the local server and against moto's."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from sqsjobs.errors import ConfigurationError, QueueNotFound
from sqsjobs.local import LocalServer
from sqsjobs.transport.admin import QueueAdmin
from sqsjobs.transport.base import OutgoingMessage
from sqsjobs.transport.provision import QueueSpec, SetAttribute
from sqsjobs.transport.sqs import SqsTransport

SPECS = [QueueSpec("jobs"), QueueSpec("orders.fifo", retention=86_400)]


@pytest.fixture(params=["local_server", "moto_endpoint"])
def endpoint_url(request: pytest.FixtureRequest) -> str:
    server = request.getfixturevalue(request.param)
    return server if isinstance(server, str) else server.endpoint_url


@pytest.fixture
async def admin(endpoint_url: str) -> AsyncIterator[QueueAdmin]:
    async with QueueAdmin(endpoint_url=endpoint_url, queue_prefix=f"{secrets.token_hex(4)}-") as admin:
        yield admin


async def test_what_is_planned_is_carried_out(admin: QueueAdmin) -> None:
    changes = await admin.plan(SPECS)
    assert len(changes) == 12

    await admin.apply(changes)

    jobs, orders, dead_letters = await admin.stats(["jobs", "orders.fifo", "jobs-dlq"])
    assert (jobs.fifo, jobs.max_receive_count, jobs.dead_letter_queue) == (False, 100, dead_letters.url)
    assert (orders.fifo, orders.retention) == (True, 86_400)
    assert dead_letters.retention == 14 * 86_400


NOTHING_TOLD = pytest.mark.xfail(strict=True, reason="moto does not tell a queue's RedriveAllowPolicy")


@pytest.mark.parametrize(
    "endpoint_url", ["local_server", pytest.param("moto_endpoint", marks=NOTHING_TOLD)], indirect=True
)
async def test_afterwards_there_is_nothing_to_do(admin: QueueAdmin) -> None:
    await admin.apply(await admin.plan(SPECS))

    assert await admin.plan(SPECS) == []


async def test_a_queue_that_differs_is_brought_to_its_spec(admin: QueueAdmin) -> None:
    await admin.apply(await admin.plan(SPECS))

    changes = await admin.plan([QueueSpec("jobs", visibility=5, max_receive_count=20)])
    await admin.apply(changes)

    assert SetAttribute(changes[0].queue, "VisibilityTimeout", "60", "5") in changes
    assert [queue.max_receive_count for queue in await admin.stats(["jobs"])] == [20]


async def test_planning_changes_nothing(admin: QueueAdmin) -> None:
    await admin.plan(SPECS)

    assert await admin.list_queues() == []


async def test_queues_are_listed_by_the_names_of_the_app(admin: QueueAdmin) -> None:
    await admin.apply(await admin.plan(SPECS))

    assert await admin.list_queues() == ["jobs", "jobs-dlq", "orders-dlq.fifo", "orders.fifo"]
    assert await admin.list_queues("orders") == ["orders-dlq.fifo", "orders.fifo"]


async def test_messages_are_counted(admin: QueueAdmin, endpoint_url: str) -> None:
    await admin.apply(await admin.plan([QueueSpec("jobs")]))
    [jobs] = await admin.stats(["jobs"])
    async with SqsTransport(endpoint_url=endpoint_url) as transport:
        await transport.send(jobs.url, [OutgoingMessage("a"), OutgoingMessage("b"), OutgoingMessage("c", delay=60)])
        await transport.receive(jobs.url, limit=1, wait=0, visibility=30)

    [jobs] = await admin.stats(["jobs"])

    assert (jobs.visible, jobs.in_flight, jobs.delayed) == (1, 1, 1)


async def test_counting_a_queue_that_is_not_there_says_so(admin: QueueAdmin) -> None:
    with pytest.raises(QueueNotFound):
        await admin.stats(["nowhere"])


async def test_a_queue_is_specified_by_name(admin: QueueAdmin) -> None:
    with pytest.raises(ConfigurationError, match="is a URL"):
        await admin.plan([QueueSpec("https://sqs.eu-west-1.amazonaws.com/123456789012/jobs")])


async def test_it_works_inside_async_with_only() -> None:
    with pytest.raises(ConfigurationError, match="async with"):
        await QueueAdmin(endpoint_url="http://localhost:1").list_queues()


async def test_more_queues_than_one_answer_holds_are_all_listed(local_server: LocalServer) -> None:
    """ListQueues answers in pages of a thousand."""
    for number in range(1_001):
        local_server.sqs.create_queue(f"q{number:04}")

    async with QueueAdmin(endpoint_url=local_server.endpoint_url) as admin:
        names = await admin.list_queues()

    assert names == [f"q{number:04}" for number in range(1_001)]
