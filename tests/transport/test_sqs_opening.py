"""Opening a transport to SQS: what it needs to know, what it says when that is missing, and where it may be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import aioboto3
import botocore.session
import pytest
from tests.transport.wire_server import WireServer

from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.address import SqsEndpoint
from sqsjobs.transport.aws_models import SERVICES
from sqsjobs.transport.sqs import Pools, SqsTransport, Timeouts
from sqsjobs.transport.sqs_client import open_session


@pytest.fixture(autouse=True)
def nothing_is_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, no region, no profile: whatever this machine has."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
                 "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def test_a_local_server_needs_no_configuration() -> None:
    async with WireServer() as server, SqsTransport(endpoint_url=server.endpoint_url) as transport:
        await transport.receive("jobs", limit=1, wait=0, visibility=30)

    assert "Credential=local/" in server.requests[0].headers["authorization"]
    assert "/us-east-1/sqs/" in server.requests[0].headers["authorization"]
    assert server.requests[0].headers["user-agent"].startswith("sqsjobs")


async def test_configured_credentials_are_used_with_a_local_server_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    async with WireServer() as server, SqsTransport(endpoint_url=server.endpoint_url) as transport:
        await transport.receive("jobs", limit=1, wait=0, visibility=30)

    assert "Credential=AKIAMINE/" in server.requests[0].headers["authorization"]
    assert "/eu-west-1/sqs/" in server.requests[0].headers["authorization"]


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-west-2"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
    ],
)
async def test_the_region_of_the_environment_is_found(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], region: str
) -> None:
    """By blobs and transports of the program's own, too, which no settings speak for; botocore looks at one variable only."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with WireServer() as server, SqsTransport(endpoint_url=server.endpoint_url) as transport:
        await transport.receive("jobs", limit=1, wait=0, visibility=30)

    assert f"/{region}/sqs/" in server.requests[0].headers["authorization"]


async def test_a_session_of_the_app_s_own_is_used() -> None:
    def session() -> aioboto3.Session:
        return aioboto3.Session(aws_access_key_id="AKIATHEIRS", aws_secret_access_key="s", region_name="eu-north-1")

    async with (
        WireServer() as server,
        SqsTransport(endpoint_url=server.endpoint_url, session_factory=session) as transport,
    ):
        await transport.receive("jobs", limit=1, wait=0, visibility=30)

    assert "Credential=AKIATHEIRS/" in server.requests[0].headers["authorization"]
    assert "/eu-north-1/sqs/" in server.requests[0].headers["authorization"]


async def test_aws_without_a_region_is_refused_with_advice() -> None:
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        async with SqsTransport():
            pass


async def test_aws_without_credentials_is_refused_with_advice() -> None:
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        async with SqsTransport(region="eu-west-1"):
            pass


async def test_a_profile_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(ConfigurationError, match="nobody"):
        async with SqsTransport():
            pass


async def test_a_region_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no region"):
        async with SqsTransport(region="no region", session_factory=_anybody):
            pass


async def test_an_endpoint_of_the_environment_is_checked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """S9."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://sqs.example.com")

    with pytest.raises(ConfigurationError, match="in the clear"):
        async with SqsTransport(region="eu-west-1", session_factory=_anybody):
            pass


def _anybody() -> aioboto3.Session:
    return aioboto3.Session(aws_access_key_id="a", aws_secret_access_key="s")


def test_a_transport_without_connections_or_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        Pools(poll=0)
    with pytest.raises(ConfigurationError, match="above 0"):
        Timeouts(read=0)


async def test_its_repr_tells_where_it_leads_and_whether_it_is_open() -> None:
    transport = SqsTransport(endpoint_url="http://localhost:1")
    assert repr(transport) == "<SqsTransport to http://localhost:1, not open>"

    async with transport:
        assert repr(transport) == "<SqsTransport to http://localhost:1, open>"


FORKED = """
import asyncio, os, sys
from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.sqs import SqsTransport

async def main():
    async with SqsTransport(endpoint_url="http://127.0.0.1:1") as transport:
        child = os.fork()
        if child == 0:
            try:
                await transport.describe("jobs")
            except ConfigurationError as error:
                sys.stdout.write(str(error))
                sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)

asyncio.run(main())
"""


def test_a_forked_child_is_refused_the_parent_s_connections() -> None:
    """R69."""
    told = run_python(FORKED)

    assert "before a fork" in told
    assert "clone()" in told


def test_aioboto3_is_not_loaded_before_a_transport_is_opened() -> None:
    """``import sqsjobs`` stays cheap: aioboto3 takes most of a second."""
    program = (
        "import sys, sqsjobs, sqsjobs.transport.sqs, sqsjobs.transport.admin;"
        "print([name for name in ('aioboto3', 'aiobotocore', 'botocore', 'boto3') if name in sys.modules])"
    )

    assert run_python(program) == "[]\n"


def run_python(program: str) -> str:
    """Run a program in a process of its own, and return what it writes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-3", "cn-north-1", "us-gov-west-1", "nowhere-1"])
@pytest.mark.parametrize("service", sorted(SERVICES))
async def test_what_is_kept_of_the_endpoints_is_what_botocore_says(service: str, region: str) -> None:
    ours = (await open_session(SqsEndpoint("us-east-1", "http://127.0.0.1:1"))).session._session
    resolvers = [session._get_internal_component("endpoint_resolver") for session in (ours, botocore.session.Session())]
    kept, whole = (resolver.construct_endpoint(service, region) for resolver in resolvers)
    assert kept == whole
