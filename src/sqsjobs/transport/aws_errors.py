"""What aioboto3 raises, and what we call it; `sqs_errors` has the names of what SQS itself answers."""

from __future__ import annotations

import socket
from typing import Final

import botocore.exceptions as botocore_errors
from aiohttp import ClientConnectorError
from botocore.parsers import ResponseParserError

from sqsjobs.errors import AccessDenied, ConfigurationError, TransportError, TransportUnavailable
from sqsjobs.transport.sqs_errors import answered_error

__all__ = ["FAILURES", "transport_error", "unusable"]

FAILURES: Final = (
    botocore_errors.BotoCoreError,
    botocore_errors.ClientError,
    ResponseParserError,
    OSError,  # TimeoutError is one
    RuntimeError,  # botocore's "refreshed credentials are still expired" is a bare one
)
"""Everything that a call through aioboto3 raises when it fails; anything else is a fault of ours."""

_NO_CREDENTIALS: Final = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.NoAuthTokenError,
    botocore_errors.TokenRetrievalError,
    botocore_errors.SSOError,
)
_NO_CONNECTION: Final = (
    botocore_errors.ConnectTimeoutError,
    botocore_errors.SSLError,
    botocore_errors.ProxyConnectionError,
)


def unusable(error: Exception) -> ConfigurationError:
    """Return what to raise where no client can be made of the configuration."""
    return ConfigurationError(f"the AWS configuration cannot be used: {error}")


def transport_error(error: Exception, operation: str, queue: str) -> TransportError:
    """Return one of `FAILURES`, of `operation` on `queue`, in words of ours."""
    match error:
        case botocore_errors.ClientError(response=response):
            said, status = response.get("Error", {}), response["ResponseMetadata"].get("HTTPStatusCode", 0)
            code, text = str(said.get("Code", status)), str(said.get("Message", ""))
            return answered_error(code, text, status, operation=operation, queue=queue)
        case _ if isinstance(error, _NO_CREDENTIALS):
            problem = f"there are no usable AWS credentials for {operation} on {queue!r}: {error}"
            return AccessDenied(problem, operation=operation, queue=queue, sent=False)
        case TimeoutError():
            problem = f"SQS did not answer {operation} on {queue!r} in time"
        case _:
            problem = f"SQS did not answer {operation} on {queue!r}: {error}"
    return TransportUnavailable(problem, operation=operation, queue=queue, sent=_was_connected(error))


def _was_connected(error: Exception) -> bool:
    if isinstance(error, botocore_errors.EndpointConnectionError):
        # aiobotocore says so of a connection that broke in the middle of a request, too.
        return not isinstance(error.kwargs.get("error"), (ClientConnectorError, socket.gaierror))
    return not isinstance(error, _NO_CONNECTION)
