"""Requests to SQS: as whom they are signed, one pool of connections a client, every call bounded.

They go through aioboto3; the frequent ones over the lean path (`wire`), where that can stand in for it. aioboto3 and
botocore take most of a second to load: `sqs` and `admin` import this module when they open, so that ``import sqsjobs``
stays cheap.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import aioboto3
import botocore.exceptions as botocore_errors
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from botocore import xform_name
from botocore.handlers import add_retry_headers
from botocore.httpsession import get_cert_path

from sqsjobs.errors import ConfigurationError, TransportError
from sqsjobs.transport.address import SqsEndpoint, check_url
from sqsjobs.transport.answers import UNREADABLE, read_answer
from sqsjobs.transport.aws_errors import FAILURES, transport_error, unusable
from sqsjobs.transport.aws_models import model_loader
from sqsjobs.transport.base import MAX_BATCH_BYTES, SqsCalled, WireChosen
from sqsjobs.transport.server_time import ServerTime
from sqsjobs.transport.sqs_errors import is_about_the_credentials
from sqsjobs.transport.sqs_options import Timeouts, Wire
from sqsjobs.transport.wire.client import HOT, LeanClient, no_sqs
from sqsjobs.transport.wire.opening import SessionCredentials, obstacle, open_lean

__all__ = [
    "KEEPALIVE",
    "Answer",
    "SqsClient",
    "SqsSession",
    "account_of",
    "check_certificates",
    "open_session",
]

KEEPALIVE: Final = 60.0
"""Seconds that an idle connection is kept; aiobotocore's 12 would make a quiet worker connect anew for every poll."""

STAND_INS: Final = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
"""What requests to a server on this machine are signed with where nothing else is configured."""

Answer: TypeAlias = Mapping[str, Any]
"""The parsed answer of SQS; botocore has no types for it."""


async def open_session(endpoint: SqsEndpoint, wire: Wire = "auto") -> SqsSession:
    """Find region and credentials for `endpoint`, whose frequent calls will go over `wire`.

    Raises:
        ConfigurationError: if there is no region or there are no credentials, and the endpoint is not local.
    """
    try:
        session = _session(endpoint)
        region = endpoint.region or session.region_name or ("us-east-1" if endpoint.local else None)
        credentials = await session.get_credentials()
    except botocore_errors.BotoCoreError as error:
        raise unusable(error) from error
    if region is None:
        raise ConfigurationError(
            "no AWS region is configured: set AWS_REGION or the profile's region, "
            "or for a local server its address (AWS_ENDPOINT_URL_SQS=http://localhost:...)"
        )
    if credentials is None and not endpoint.local:
        raise ConfigurationError(
            "no AWS credentials are configured: give this process a role, set AWS_PROFILE, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; a local server needs none (AWS_ENDPOINT_URL_SQS)"
        )
    stand_ins = STAND_INS if credentials is None else {}
    signs_as = SessionCredentials(credentials or AioCredentials(*stand_ins.values()))
    return SqsSession(session, replace(endpoint, region=region), stand_ins, signs_as, wire)


async def account_of(endpoint: SqsEndpoint) -> tuple[str, str]:
    """Return the account of this process's credentials, which STS tells everybody of themselves, and the region.

    Raises:
        ConfigurationError: if there is no region, there are no credentials, or STS does not answer.
    """
    session = await open_session(endpoint)
    region = session.endpoint.region or ""
    once = AioConfig(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
    try:
        async with session.session.client("sts", region_name=region, config=once) as client:
            return str((await client.get_caller_identity())["Account"]), region
    except FAILURES as error:
        raise ConfigurationError(f"STS does not say whose credentials these are: {error}") from error


def _session(endpoint: SqsEndpoint) -> Any:
    if endpoint.session_factory is not None:
        return endpoint.session_factory()
    session = aioboto3.Session()
    botocore_session = session._session  # noqa: SLF001 - aioboto3 has no door to it
    # botocore itself reads the second only; AWS's other SDKs, and Lambda, ECS and we ourselves, go by the first.
    botocore_session.session_var_map["region"] = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)
    botocore_session.register_component("data_loader", model_loader(botocore_session.get_config_variable("data_path")))
    if endpoint.local:
        # The machine's own role is never needed for a local server; looking for it costs seconds outside AWS.
        providers = botocore_session.get_component("credential_provider")
        for role in ("container-role", "iam-role"):
            providers.remove(role)
    return session


@dataclass(frozen=True, slots=True)
class SqsSession:
    """The endpoint with its region, credentials, and the wire asked for: what clients are made of.

    Attributes:
        session: of aioboto3.
        endpoint: with its region.
        stand_ins: the credentials for a local server where none are configured.
        credentials: those of the session, or the stand-ins; shared by all clients, whose refusals they hear of.
        wire: as asked for.
    """

    session: Any
    endpoint: SqsEndpoint
    stand_ins: Mapping[str, str]
    credentials: SessionCredentials
    wire: Wire = "auto"

    @asynccontextmanager
    async def client(
        self,
        connections: int,
        timeouts: Timeouts,
        tell: Callable[[SqsCalled], None] | None = None,
        *,
        longest_wait: float = 0.0,
        server_time: ServerTime | None = None,
    ) -> AsyncIterator[SqsClient]:
        """Open a client with a pool of up to `connections`; `tell` is told of calls, `server_time` of their dates.

        A call may be silent for `longest_wait` seconds besides its timeout; the deadlines of calls are their own.
        """
        opening = self.session.client(
            "sqs",
            region_name=self.endpoint.region,
            endpoint_url=self.endpoint.endpoint_url,
            config=_config(connections, timeouts, longest_wait),
            verify=False if self._in_the_clear else None,
            **self.stand_ins,
        )
        async with AsyncExitStack() as closing:
            try:
                client = await closing.enter_async_context(opening)
            except (botocore_errors.BotoCoreError, ValueError) as error:
                raise unusable(error) from error
            # The environment may have named another endpoint than ours.
            check_url(client.meta.endpoint_url, allow_http=self.endpoint.allow_http)
            check_certificates(client._endpoint.http_session)  # noqa: SLF001
            chosen = self._chosen_for(client)
            lean = None
            if chosen.lean:
                lean = await closing.enter_async_context(self._lean(client, connections, timeouts, server_time))
            _spare(client)
            yield SqsClient(client, timeouts, tell, lean, chosen, credentials=self.credentials, server_time=server_time)

    def _chosen_for(self, client: Any) -> WireChosen:
        """Choose the wire; raise `ConfigurationError` if the lean one is demanded and cannot be had."""
        if self.wire == "aioboto3":
            return WireChosen(lean=False, reason="wire is set to aioboto3")
        reason = obstacle(client)
        if reason and self.wire == "lean":
            raise ConfigurationError(f"the lean wire is asked for, and it cannot do {reason}: use wire 'auto'")
        return WireChosen(lean=not reason, reason=reason or "")

    @asynccontextmanager
    async def _lean(
        self, client: Any, connections: int, timeouts: Timeouts, server_time: ServerTime | None
    ) -> AsyncIterator[LeanClient]:
        trusted = get_cert_path(client._endpoint.http_session._verify or True)  # noqa: SLF001 - what botocore trusts
        opening = open_lean(
            client,
            self.credentials,
            connections,
            connect_timeout=timeouts.connect,
            trusted=trusted,
            server_time=server_time,
        )
        async with AsyncExitStack() as closing:
            try:
                lean = await closing.enter_async_context(opening)
            except OSError as error:
                raise unusable(error) from error
            yield lean

    @property
    def _in_the_clear(self) -> bool:
        """Whether there is no TLS, and so no bundle of certificates to load: 40 ms a client, in the event loop."""
        return (self.endpoint.endpoint_url or "").startswith("http://")


def _config(connections: int, timeouts: Timeouts, longest_wait: float) -> AioConfig:
    return AioConfig(
        connect_timeout=timeouts.connect,
        read_timeout=timeouts.read + longest_wait,
        max_pool_connections=connections,
        retries={"total_max_attempts": 1},  # ours are visible, jittered, and bounded by the one who calls
        user_agent="sqsjobs",  # botocore's own is built twice a call
        parameter_validation=False,
        connector_args={"keepalive_timeout": KEEPALIVE},
    )


def check_certificates(http: Any) -> None:
    """Make aiobotocore check the certificates' host names, and behind a proxy the certificates.

    Up to 2.25 it leaves host names to aiohttp, which leaves them to the context, in which botocore has turned them
    off for urllib3; and with a proxy it gives aiohttp no context at all.
    """
    if hasattr(http, "_get_ssl_context"):
        unchecked, unchecked_behind_proxy = http._get_ssl_context, http._setup_proxy_ssl_context  # noqa: SLF001

        def checked() -> Any:
            context = unchecked()
            context.check_hostname = True
            return context

        http._get_ssl_context = checked  # noqa: SLF001
        http._setup_proxy_ssl_context = lambda url: unchecked_behind_proxy(url) or checked()  # noqa: SLF001


def _spare(client: Any) -> None:
    """Spare the frequent calls what they have no use for, by botocore's own hooks."""
    events = client.meta.events
    events.register("before-send.sqs.SendMessageBatch", _stream_large_body)
    for operation in HOT:
        events.register(f"before-parse.sqs.{operation}", _read_answer)
    # One attempt is all there is: nobody has to judge whether it deserves another, or to count it in the headers.
    events.unregister("needs-retry.sqs", unique_id="retry-config-sqs")
    events.unregister("request-created", add_retry_headers)


def _stream_large_body(request: Any, **_: Any) -> None:
    """Give aiohttp a body of over 1 MiB, which a full batch is in JSON, as a stream: it warns of bytes that large."""
    if len(request.body) > MAX_BATCH_BYTES:
        request.body = io.BytesIO(request.body)


def _read_answer(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Read what SQS has answered, so that botocore has no shapes to walk, which is a tenth of the whole call.

    Botocore would also take any text for an answer without messages: a login page would be an empty queue.
    """
    if response_dict["status_code"] == HTTPStatus.OK:
        operation = response_dict["context"]["operation_name"]
        customized_response_dict.update(read_answer(operation, response_dict["body"]))
        response_dict["body"] = b"{}"


class SqsClient:
    """One botocore client, and the lean path beside it: no retries, every call bounded, told of, its errors mapped.

    Attributes:
        chosen: which way frequent calls take.
    """

    def __init__(
        self,
        client: Any,
        timeouts: Timeouts,
        tell: Callable[[SqsCalled], None] | None,
        lean: LeanClient | None,
        chosen: WireChosen,
        *,
        credentials: SessionCredentials,
        server_time: ServerTime | None = None,
    ) -> None:
        self._client = client
        self._now = asyncio.get_running_loop().time
        self._timeouts = timeouts
        self._tell = tell
        self._lean = lean
        self._server_time = server_time or ServerTime()
        self._credentials = credentials
        self.chosen = chosen

    async def call(self, operation: str, queue: str, *, wait: float | None = None, **parameters: Any) -> Answer:
        """Make one request.

        Args:
            operation: as SQS names it, ``"ReceiveMessage"``.
            queue: what the app calls the queue, for errors and events.
            wait: seconds for which SQS was asked to wait, if it was.
            parameters: as SQS names them.

        Raises:
            TransportError: if the call failed as a whole.
        """
        started = self._now()
        answer: Answer = {}
        problem: str | None = "Cancelled"
        try:
            answer = await self._answer(operation, queue, self._deadline(wait), parameters)
            problem = None
        except TransportError as error:
            problem = error.code or type(error).__name__
            if error.code is not None and is_about_the_credentials(error.code):
                self._credentials.refused()
            raise
        finally:
            if self._tell is not None:
                carried = len(parameters.get("Entries") or answer.get("Messages") or ())
                self._tell(SqsCalled(operation, queue, carried, self._now() - started, problem))
        return answer

    def _deadline(self, wait: float | None) -> float:
        """Seconds after which a call is given up, come what may: who sends a byte a second is never silent."""
        return self._timeouts.connect + self._timeouts.read if wait is None else wait + self._timeouts.read

    async def _answer(self, operation: str, queue: str, deadline: float, parameters: Mapping[str, Any]) -> Answer:
        if self._lean is not None and operation in HOT:
            try:
                return await self._lean.answer(operation, queue, deadline, parameters)
            except FAILURES as error:  # of botocore, which renews the credentials: nothing was sent yet
                failure = transport_error(error, operation, queue)
                failure.sent = False
                raise failure from error
        return await self._plain_answer(operation, queue, deadline, parameters)

    async def _plain_answer(self, operation: str, queue: str, deadline: float, parameters: Mapping[str, Any]) -> Answer:
        asked_at = self._server_time.asked()
        try:
            async with asyncio.timeout(deadline):
                answer: Answer = await getattr(self._client, xform_name(operation))(**parameters)
        except FAILURES as error:
            raise transport_error(error, operation, queue) from error
        except UNREADABLE as error:
            raise no_sqs(f"what cannot be read ({error})", operation, queue) from error
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        kind = headers.get("content-type", "json")
        if "json" not in kind:
            raise no_sqs(kind, operation, queue)
        self._server_time.heard(headers.get("date"), asked_at)
        return answer
