"""``sqsjobs local-sqs``: SQS on this machine."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from sqsjobs.errors import ConfigurationError

__all__ = ["local_sqs"]


def local_sqs(
    *,
    port: Annotated[int, Parameter(help="The port; 0 for any that is free.")] = 9324,
    host: Annotated[str, Parameter(help="The address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[bool, Parameter(help="Listen on another address than this machine's loopback.")] = False,
) -> None:
    """Serve SQS on this machine, in memory, until Ctrl-C.

    For development and tests: it speaks the protocol of SQS to every SDK and to
    the AWS command line, checks no credentials, and forgets everything when it
    ends.

        sqsjobs local-sqs
        export AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9324
        sqsjobs worker shop.jobs:app --create-queues
    """
    from sqsjobs.local import run  # noqa: PLC0415 - with aiohttp

    try:
        run(host, port, allow_remote=allow_remote)
    except OSError as problem:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {problem.strerror}; choose another --port"
        ) from problem
