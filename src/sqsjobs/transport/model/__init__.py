"""A strict model of SQS: a synchronous state machine with an injected clock and seeded randomness.

It answers as AWS does where that is known (the SQS API reference, the developer guide, recorded
answers), and where AWS leaves a choice it takes the one that is harder on its clients. Nothing in
here waits, prints or reads a clock of its own; `sqsjobs.transport.memory` and `sqsjobs.local` put
it behind a transport and a server.
"""

from __future__ import annotations

from sqsjobs.transport.model.faults import NO_FAULT, Fault, Faults, NoAnswer
from sqsjobs.transport.model.leases import StaleHandles
from sqsjobs.transport.model.messages import AttributeValue, NewMessage, Phase, Receipt, SentMessage
from sqsjobs.transport.model.moves import MoveTask
from sqsjobs.transport.model.queue import Queue
from sqsjobs.transport.model.receiving import ReceiveRequest
from sqsjobs.transport.model.refusal import Refusal, missing_parameter
from sqsjobs.transport.model.service import SqsModel

__all__ = [
    "NO_FAULT",
    "AttributeValue",
    "Fault",
    "Faults",
    "MoveTask",
    "NewMessage",
    "NoAnswer",
    "Phase",
    "Queue",
    "Receipt",
    "ReceiveRequest",
    "Refusal",
    "SentMessage",
    "SqsModel",
    "StaleHandles",
    "missing_parameter",
]
