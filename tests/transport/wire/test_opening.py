"""Which way frequent calls take: the lean wire, unless the environment asks for what only aioboto3 can do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import aioboto3
import botocore.session
import pytest
from aiobotocore.config import AioConfig
from botocore.exceptions import EndpointVariantError
from botocore.monitoring import Monitor
from tests.transport.wire_server import Request, WireServer, says

from sqsjobs.app.plan import Plan
from sqsjobs.errors import ConfigurationError
from sqsjobs.settings import Settings
from sqsjobs.transport.base import ClockCorrected, OutgoingMessage, SqsCalled, WireChosen
from sqsjobs.transport.sqs import SqsTransport, Wire
from sqsjobs.transport.wire.opening import obstacle

MESSAGE = [OutgoingMessage("x")]


def is_lean(request: Request) -> bool:
    """Whether a request came over the lean wire: aiobotocore tells more."""
    return "accept-encoding" not in request.headers


async def opened(**options: Any) -> WireChosen:
    """Open a transport, and return what it tells of its way."""
    told: list[SqsCalled | WireChosen | ClockCorrected] = []
    options.setdefault("endpoint_url", "http://localhost:1")
    async with SqsTransport(observer=told.append, **options):
        [event] = told
    assert isinstance(event, WireChosen)
    return event


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("wire", "chosen"),
    [
        ("auto", WireChosen(lean=True)),
        ("lean", WireChosen(lean=True)),
        ("aioboto3", WireChosen(lean=False, reason="wire is set to aioboto3")),
    ],
)
async def test_the_lean_wire_is_taken_unless_aioboto3_is_asked_for(wire: Wire, chosen: WireChosen) -> None:
    told: list[SqsCalled | WireChosen | ClockCorrected] = []
    async with WireServer() as server:
        server.reactions["SendMessageBatch"] = says({"Successful": [{"Id": "0", "MessageId": "m"}]})
        async with SqsTransport(endpoint_url=server.endpoint_url, observer=told.append, wire=wire) as transport:
            await transport.send("jobs", MESSAGE)

    assert told[0] == chosen
    assert [is_lean(request) for request in server.requests] == [False, chosen.lean], "GetQueueUrl is not frequent"


@pytest.mark.parametrize("wire", ["lean", "aioboto3"])
async def test_a_clone_takes_the_same_way(wire: Wire) -> None:
    told: list[SqsCalled | WireChosen | ClockCorrected] = []
    async with WireServer() as server:
        original = SqsTransport(endpoint_url=server.endpoint_url, wire=wire, observer=told.append)
        async with original.clone():
            pass

    assert [event.lean for event in told if isinstance(event, WireChosen)] == [wire == "lean"]


def test_another_wire_there_is_not() -> None:
    with pytest.raises(ConfigurationError, match="auto, lean, aioboto3"):
        SqsTransport(wire="telegraph")  # type: ignore[arg-type]


def test_settings_say_which(tmp_path: Path) -> None:
    """SQSJOBS_WIRE, then `wire` in [tool.sqsjobs]."""
    (tmp_path / "pyproject.toml").write_text('[tool.sqsjobs]\nwire = "lean"\n')
    for environment, wire in (({}, "lean"), ({"SQSJOBS_WIRE": "aioboto3"}, "aioboto3")):
        backends = Plan().resolve(Settings.load(environment, tmp_path))
        assert isinstance(backends.transport, SqsTransport)
        assert backends.transport._wire == wire

    with pytest.raises(ConfigurationError, match="auto, lean, aioboto3"):
        Plan().resolve(Settings(wire="telegraph"))


# What only aioboto3 can do ---------------------------------------------------------------------------


def session(change: Callable[[Any], None]) -> Callable[[], aioboto3.Session]:
    def make() -> aioboto3.Session:
        made = aioboto3.Session("local", "local", region_name="us-east-1")
        change(made._session)
        return made

    return make


def with_config(**options: Any) -> Callable[[], aioboto3.Session]:
    return session(lambda core: core.set_default_client_config(AioConfig(**options)))


def with_handler(event: str) -> Callable[[], aioboto3.Session]:
    return session(lambda core: core.register(event, lambda **_: None))


async def test_a_proxy_asks_for_aioboto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert (await opened()).reason == "a proxy for localhost"

    monkeypatch.setenv("NO_PROXY", "localhost")
    assert (await opened()).lean


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"session_factory": with_config(proxies={"http": "http://127.0.0.1:1"})}, "a proxy for localhost"),
        ({"session_factory": with_config(client_cert="client.pem")}, "a client certificate"),
        ({"session_factory": with_config(signature_version="v4a")}, "signature version v4a"),
        ({"session_factory": with_config(connector_args={"force_close": True})}, "connector arguments"),
        ({"session_factory": with_handler("before-sign.sqs")}, "a handler for before-sign.sqs"),
        ({"session_factory": with_handler("before-send")}, "a handler for before-send.sqs"),
        ({"session_factory": with_handler("before-call.sqs.ReceiveMessage")}, "a handler for before-call.sqs.Receive"),
        ({"session_factory": with_handler("after-call.*.DeleteMessageBatch")}, "a handler for after-call.sqs.Delete"),
        ({"endpoint_url": "http://localhost:1/base"}, "an endpoint with more to it than host and port"),
    ],
    ids=[
        "a proxy by config", "a client certificate", "another signature", "connector arguments", "a signer's hook",
        "a hook for all services", "a hook for one call", "a hook by pattern", "a path",
    ],
)  # fmt: skip
async def test_so_does_whatever_the_lean_wire_does_not_do(options: dict[str, Any], reason: str) -> None:
    """It is used by itself; where the lean wire is demanded, the transport does not open."""
    event = await opened(**options)
    assert not event.lean
    assert event.reason.startswith(reason)

    with pytest.raises(ConfigurationError, match=reason):
        await opened(**options, wire="lean")


async def test_so_does_monitoring_by_botocore() -> None:
    """Client-side monitoring (AWS_CSM_ENABLED) counts calls by botocore's events."""
    watched = session(lambda core: Monitor(None, None).register(core.get_component("event_emitter")))
    assert (await opened(session_factory=watched)).reason.startswith("a handler for")


async def test_handlers_for_other_services_do_not() -> None:
    assert (await opened(session_factory=with_handler("before-sign.s3"))).lean


def test_a_client_that_does_not_look_as_expected_does() -> None:
    """Another version of aioboto3 may keep elsewhere what is read here."""
    assert "unlike" in (obstacle(object()) or "")


# Where to --------------------------------------------------------------------------------------------

PARTITIONS = botocore.session.Session().get_available_partitions()
VARIANTS = list(product([False, True], repeat=2))


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("partition", PARTITIONS)
async def test_requests_go_where_those_of_aioboto3_go(partition: str) -> None:
    """In every partition, to FIPS and dual-stack endpoints too where there are any, signed for the same region."""
    regions = botocore.session.Session().get_available_regions("sqs", partition)
    for region, (fips, dual) in product([*regions[:2], *regions[-1:]], VARIANTS):
        config = AioConfig(use_fips_endpoint=fips, use_dualstack_endpoint=dual)
        with suppress(EndpointVariantError):
            async with aioboto3.Session("a", "b", region_name=region).client("sqs", config=config) as client:
                url, authorization = await asked_by(client)
                same = url == f"{client.meta.endpoint_url}/"
                assert same or "isolated region" in (obstacle(client) or "")
                assert f"/{client.meta.region_name}/sqs/" in authorization


async def asked_by(client: Any) -> tuple[str, str]:
    """Return the URL and the signature of a request of aioboto3."""
    asked = []

    def keep(request: Any, **_: Any) -> None:
        asked.append((request.url, request.headers["Authorization"].decode()))
        raise ConnectionError

    client.meta.events.register("before-send.sqs", keep)
    with pytest.raises(ConnectionError):
        await client.receive_message(QueueUrl="https://localhost/1/jobs")
    client.meta.events.unregister("before-send.sqs", keep)
    return asked[0]
