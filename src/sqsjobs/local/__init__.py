"""An SQS-compatible server on this machine: the strict model of SQS behind the protocol of SQS.

    async with LocalServer() as server:
        boto3.client("sqs", endpoint_url=server.endpoint_url, ...)

From a shell it is ``sqsjobs local-sqs``, or ``python -m sqsjobs.local --port 9324``.
"""

from __future__ import annotations

from sqsjobs.local.faults import FaultPlan, FaultRule, Struck
from sqsjobs.local.server import LocalServer, run

__all__ = ["FaultPlan", "FaultRule", "LocalServer", "Struck", "run"]
