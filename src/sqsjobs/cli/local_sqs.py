"""``sqsjobs local-sqs``: SQS on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sqsjobs.errors import ConfigurationError

__all__ = ["local_sqs"]


def local_sqs(
    *,
    port: Annotated[int, Parameter(help="The port; 0 for any that is free.")] = 9324,
    host: Annotated[str, Parameter(help="The address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[bool, Parameter(help="Listen on another address than this machine's loopback.")] = False,
    faults: Annotated[Path | None, Parameter(help="A JSON file of what is to go wrong; see docs/testing.md.")] = None,
) -> None:
    """Serve SQS on this machine, in memory, until Ctrl-C.

    For development and tests: it speaks the protocol of SQS to every SDK and to
    the AWS command line, checks no credentials, and forgets everything when it
    ends.

        sqsjobs local-sqs
        export AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9324
        sqsjobs worker shop.jobs:app --create-queues

    With --faults it is a bad day at SQS: calls are throttled, fail, are carried
    out and not answered, connections break, batches fail in part, messages come
    twice. curl http://127.0.0.1:9324/faults shows what has happened so far.

        echo '{"rules": [{"kind": "drop-after", "rate": 0.05}]}' > plan.json
        sqsjobs local-sqs --faults plan.json
    """
    from sqsjobs.local import FaultPlan, run  # noqa: PLC0415 - with aiohttp

    plan = FaultPlan.read(_text_of(faults)) if faults is not None else None
    try:
        run(host, port, allow_remote=allow_remote, plan=plan)
    except OSError as problem:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {problem.strerror}; choose another --port"
        ) from problem


def _text_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ConfigurationError(f"cannot read {path}: {problem.strerror}; --faults names a plan in JSON") from problem
