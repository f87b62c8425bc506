"""Clients of AWS's other services, for job stores and blobs: signed, bounded and checked as requests to SQS are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any  # botocore has no types

import botocore.exceptions as botocore_errors
from aiobotocore.config import AioConfig

from sqsjobs.transport.address import SqsEndpoint, check_url
from sqsjobs.transport.aws_errors import FAILURES, unusable
from sqsjobs.transport.sqs_client import KEEPALIVE, check_certificates, open_session

__all__ = ["FAILURES", "error_code", "open_client"]


@asynccontextmanager
async def open_client(service: str, endpoint: SqsEndpoint, *, connections: int, timeout: float) -> AsyncIterator[Any]:
    """Open botocore's client of `service`; it repeats nothing by itself.

    Args:
        service: as botocore calls it, ``"dynamodb"``.
        endpoint: whose region and URL it takes; the environment may name another URL (``AWS_ENDPOINT_URL_DYNAMODB``).
        connections: in its pool.
        timeout: seconds for which a connection may not come about, and be silent.

    Raises:
        ConfigurationError: if region, credentials or endpoint cannot be used.
    """
    found = await open_session(endpoint)
    config = AioConfig(
        connect_timeout=timeout,
        read_timeout=timeout,
        max_pool_connections=connections,
        retries={"total_max_attempts": 1},
        user_agent="sqsjobs",
        parameter_validation=False,
        connector_args={"keepalive_timeout": KEEPALIVE},
        s3={"addressing_style": "path"} if endpoint.local else None,
    )
    in_the_clear = (endpoint.endpoint_url or "").startswith("http://")
    opening = found.session.client(
        service,
        region_name=found.endpoint.region,
        endpoint_url=endpoint.endpoint_url,
        config=config,
        verify=False if in_the_clear else None,
        **found.stand_ins,
    )
    async with AsyncExitStack() as closing:
        try:
            client = await closing.enter_async_context(opening)
        except (botocore_errors.BotoCoreError, ValueError) as error:
            raise unusable(error) from error
        check_url(client.meta.endpoint_url, allow_http=endpoint.allow_http)
        check_certificates(client._endpoint.http_session)  # noqa: SLF001 - as for SQS
        yield client


def error_code(error: BaseException) -> tuple[str, int]:
    """Return the code that a service answered with, and the HTTP status; an empty one if there was no answer."""
    if not isinstance(error, botocore_errors.ClientError):
        return "", 0
    response = error.response
    return str(response.get("Error", {}).get("Code", "")), int(response["ResponseMetadata"].get("HTTPStatusCode", 0))
