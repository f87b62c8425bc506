"""Plans of faults: every kind does what it says, to every operation that it can happen to, and to no other call."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sqsjobs.cli.local_sqs import local_sqs
from sqsjobs.errors import AccessDenied, ConfigurationError, RequestRejected, Throttled, TransportError
from sqsjobs.local import FaultPlan, FaultRule, LocalServer, Struck
from sqsjobs.local.mishaps import KINDS
from sqsjobs.transport.base import Delivery, Done, EntryFailed, NotSent, OutgoingMessage, Sent, Transport
from sqsjobs.transport.model import Phase
from sqsjobs.transport.sqs import SqsTransport
from sqsjobs.transport.sqs_options import Timeouts, Wire

RIGHT = {"latency", "late", "slow", "chunked", "no-length", "early-hints", "close", "close-silently"}
"""Kinds whose answer is right, if it comes."""
IN_PART = {"partial", "partial-throttled"}
AGAIN = {"duplicate", "resurrect"}
NOT_CARRIED_OUT = {
    "internal-error",
    "unavailable",
    "throttled",
    "kms-throttled",
    "expired-token",
    "drop-before",
    "reset-before",
    "half-open-before",
    "html",
    "html-200",
    "redirect",
}
ERRORS: dict[str, type[TransportError]] = {
    "throttled": Throttled,
    "kms-throttled": Throttled,
    "expired-token": AccessDenied,
}
SECONDS = {"half-open-before": 5.0, "half-open-after": 5.0}
WIRES: list[Wire] = ["lean", "aioboto3"]


class Calls:
    """One call of each frequent operation, and whether it has had its effect."""

    def __init__(self, server: LocalServer, transport: Transport) -> None:
        self.server = server
        self.transport = transport
        self.operations: dict[str, Callable[[], Awaitable[Any]]] = {
            "SendMessageBatch": self.send,
            "ReceiveMessage": self.receive,
            "ChangeMessageVisibilityBatch": self.show,
            "DeleteMessageBatch": self.delete,
        }

    async def ready(self, operation: str) -> None:
        """Make the queue such that the operation has an effect: two messages, in hand where it is about such."""
        self.server.sqs = type(self.server.sqs)()
        self.server.sqs.create_queue("jobs")
        self.held: list[Delivery] = []
        if operation != "SendMessageBatch":
            await self.transport.send("jobs", [OutgoingMessage("1"), OutgoingMessage("2")])
        if operation not in ("SendMessageBatch", "ReceiveMessage"):
            self.held = await self.receive()

    def effects(self, operation: str) -> int:
        """Return on how many of the two messages the operation has had its effect."""
        found = self.server.sqs.peek("jobs")
        match operation:
            case "SendMessageBatch":
                return len(found)
            case "ReceiveMessage":
                return sum(message.receive_count for message in found)
            case "DeleteMessageBatch":
                return 2 - len(found)
            case _:
                return sum(message.phase is Phase.VISIBLE for message in found)

    async def send(self) -> list[bool]:
        results = await self.transport.send("jobs", [OutgoingMessage("1"), OutgoingMessage("2")])
        assert all(isinstance(result, Sent | NotSent) for result in results)
        return [isinstance(result, Sent) for result in results]

    async def receive(self) -> list[Delivery]:
        return await self.transport.receive("jobs", limit=10, wait=0, visibility=30)

    async def show(self) -> list[bool]:
        results = await self.transport.change_visibility("jobs", [(held.receipt_handle, 0) for held in self.held])
        assert all(isinstance(result, Done | EntryFailed) for result in results)
        return [isinstance(result, Done) for result in results]

    async def delete(self) -> list[bool]:
        results = await self.transport.delete("jobs", [held.receipt_handle for held in self.held])
        assert all(isinstance(result, Done | EntryFailed) for result in results)
        return [isinstance(result, Done) for result in results]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_kind_does_what_it_says_to_one_call_and_the_next_is_well(kind: str, wire: Wire) -> None:
    """R59: whatever comes in place of an answer is an error of ours, at most once, and never a wrong result."""
    async with (
        LocalServer() as server,
        SqsTransport(endpoint_url=server.endpoint_url, timeouts=Timeouts(0.5, 0.5), wire=wire) as transport,
    ):
        server.sqs.create_queue("jobs")
        calls = Calls(server, transport)
        for operation, call in calls.operations.items():
            if KINDS[kind].can_happen_to(operation):
                await calls.ready(operation)
                rule = FaultRule(kind, operation, calls=frozenset({1}), seconds=SECONDS.get(kind, 0.02))
                server.plan = FaultPlan([rule])
                await happens(kind, operation, call, calls)
                assert server.plan is not None
                assert server.plan.injected == {(operation, kind): 1}
                server.plan = None
                await asyncio.sleep(0.03 if kind == "close-silently" else 0)  # before, it would be the next call's
                await calls.ready(operation)
                assert len(await call()) == calls.effects(operation) == 2


async def happens(kind: str, operation: str, call: Callable[[], Awaitable[Any]], calls: Calls) -> None:
    """Make a call that is struck, and check what it answers and has done."""
    if kind in RIGHT:
        assert len(await call()) == calls.effects(operation) == 2
    elif kind in IN_PART:
        done = await call()
        assert not done[0]
        assert calls.effects(operation) == sum(done)
    elif kind == "duplicate":
        assert len(await call()) == 2
        assert {message.phase for message in calls.server.sqs.peek("jobs")} == {Phase.VISIBLE}
    elif kind == "resurrect":
        assert await call() == [True, True]
        assert len(calls.server.sqs.peek("jobs")) == 2
    else:
        with pytest.raises(ERRORS.get(kind, TransportError)) as caught:
            await call()
        assert not isinstance(caught.value, RequestRejected)
        assert calls.effects(operation) == (0 if kind in NOT_CARRIED_OUT else 2)


def test_every_kind_is_in_this_file() -> None:
    broken = KINDS.keys() - RIGHT - IN_PART - AGAIN - NOT_CARRIED_OUT
    assert {kind for kind in KINDS if KINDS[kind].does.startswith("carried out")} - RIGHT <= broken


def test_the_documentation_has_them_all() -> None:
    told = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    assert all(f"| `{name}` | {kind.does}" in told for name, kind in KINDS.items())


# Plans ------------------------------------------------------------------------------------------------


def test_the_first_rule_that_hits_strikes() -> None:
    plan = FaultPlan(
        [
            FaultRule("throttled", "ReceiveMessage", queue="jobs", calls=frozenset({2})),
            FaultRule("drop-after", rate=1.0),
        ]
    )
    struck = [plan.strike("ReceiveMessage", queue) for queue in ("jobs", "others", "jobs")]
    assert [mishap and mishap.kind for mishap in struck] == ["drop-after", "drop-after", "throttled"]
    assert (plan.calls, plan.injected["ReceiveMessage", "drop-after"]) == (3, 2)


def test_the_same_seed_strikes_the_same_calls_whatever_else_is_called() -> None:
    def struck(seed: int, others: int) -> list[bool]:
        plan = FaultPlan([FaultRule("throttled", "SendMessage", rate=0.5)], seed=seed)
        hits = []
        for _ in range(50):
            hits.append(plan.strike("SendMessage", "jobs") is not None)
            for _ in range(others):
                plan.strike("ReceiveMessage", "jobs")
        return hits

    assert struck(1, 0) == struck(1, 3) != struck(2, 0)
    assert 10 < sum(struck(1, 0)) < 40


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no plan of faults"),
        ("[]", "no plan of faults"),
        ("\xff", "no plan of faults"),
        ('{"rules": [{"kind": "lightning", "rate": 1}]}', "there are internal-error"),
        ('{"rules": [{"kind": "throttled", "rate": 1, "operation": "Receive"}]}', "ReceiveMessage"),
        ('{"rules": [{"kind": "duplicate", "rate": 1, "operation": "SendMessage"}]}', "only to ReceiveMessage"),
        ('{"rules": [{"kind": "throttled"}]}', "rate"),
        ('{"rules": [{"kind": "throttled", "rate": 0.1, "calls": [1]}]}', "rate"),
        ('{"rules": [{"kind": "throttled", "rate": 10}]}', "from 0 to 1"),
        ('{"rules": [{"kind": "late", "rate": 1, "seconds": -1}]}', "from 0 to 3,600"),
        ('{"rules": [{"kind": "late", "rate": 1, "second": 1}]}', "second"),
    ],
)
def test_a_wrong_plan_is_refused_and_says_what_a_right_one_is(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        FaultPlan.read(text.encode("latin-1"))


async def test_observers_learn_what_was_asked_and_answered() -> None:
    """So that a rig can say which messages a fault has touched."""
    told: list[Struck] = []
    plan = FaultPlan([FaultRule("drop-after", "SendMessageBatch", calls=frozenset({1}))], observer=told.append)
    async with LocalServer(plan=plan) as server, SqsTransport(endpoint_url=server.endpoint_url) as transport:
        server.sqs.create_queue("jobs")
        with pytest.raises(TransportError):
            await transport.send("jobs", [OutgoingMessage("a body")])
        (message,) = server.sqs.peek("jobs")
    (struck,) = told
    assert (struck.kind, struck.operation, struck.queue) == ("drop-after", "SendMessageBatch", "jobs")
    assert json.loads(struck.asked)["Entries"][0]["MessageBody"] == "a body"
    assert json.loads(struck.answered)["Successful"][0]["MessageId"] == message.message_id


# While it runs ----------------------------------------------------------------------------------------


def test_a_plan_can_be_read_and_exchanged_over_http(sqsjobs_local_server) -> None:
    """And what is no plan changes nothing."""
    where = f"{sqsjobs_local_server.endpoint_url}/faults"
    assert http("GET", where) == (200, {"seed": 0, "rules": [], "calls": 0, "injected": {}})
    plan = {"seed": 3, "rules": [{"kind": "html", "operation": "ListQueues", "calls": [1]}]}
    assert http("PUT", where, plan)[1]["rules"] == plan["rules"]
    assert http("POST", sqsjobs_local_server.endpoint_url, {}, {"X-Amz-Target": "AmazonSQS.ListQueues"})[0] == 502
    assert http("PUT", where, {"rules": [{"kind": "thunder"}]})[0] == 400
    assert http("GET", where) == (200, {**plan, "calls": 1, "injected": {"ListQueues": {"html": 1}}})
    assert http("PUT", where, {"rules": []})[0] == 200


def http(method: str, url: str, said: object = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    body = None if said is None else json.dumps(said).encode()
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("plan", "says"), [(None, "cannot read"), ("{}", "no plan of faults"), ('{"rules": [{"kind": "x"}]}', "there are")]
)
def test_the_command_refuses_what_is_no_plan(tmp_path: Path, plan: str | None, says: str) -> None:
    path = tmp_path / "plan.json"
    if plan is not None:
        path.write_text(plan)
    with pytest.raises(ConfigurationError, match=says):
        local_sqs(port=0, faults=path)


def test_the_command_serves_by_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"rules": [{"kind": "unavailable", "operation": "ListQueues", "calls": [1]}]}')
    command = [sys.executable, "-m", "sqsjobs", "local-sqs", "--port", "0", "--faults", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            target = {"X-Amz-Target": "AmazonSQS.ListQueues"}
            assert [http("POST", url, {}, target)[0] for _ in range(2)] == [503, 200]
        finally:
            server.terminate()
