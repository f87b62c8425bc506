"""SQS as one state machine: an account's queues and what can be done with their messages."""

from __future__ import annotations

import random

from sqsjobs.clock import Clock
from sqsjobs.transport.model.account import Account
from sqsjobs.transport.model.ids import Ids
from sqsjobs.transport.model.leases import Leases, StaleHandles
from sqsjobs.transport.model.moves import Moves
from sqsjobs.transport.model.receiving import MAX_IN_FLIGHT, Receiving
from sqsjobs.transport.model.sending import Sending

__all__ = ["SqsModel"]


class SqsModel:
    """The SQS of one account. Every call happens at once, at the clock's present, and answers or raises `Refusal`.

    Nothing waits here: a receive gives what is there. Whoever holds long polls open asks again for the
    queues named by `account.take_woken()`, and at `Queue.next_change()`.

    Args:
        clock: `now` for delays, timeouts and retention; `wall` for the timestamps that are told.
        rng: where ids come from.
        region: for ARNs.
        account: the account's number, for ARNs and URLs.
        stale_handles: what becomes of superseded receipt handles on standard queues.
        max_in_flight: messages of one queue that can be in flight at once.

    Attributes:
        account: the queues: create, find, list, configure, purge and delete them.
        sending: SendMessage and SendMessageBatch.
        receiving: ReceiveMessage.
        leases: DeleteMessage and ChangeMessageVisibility, and their batches.
        moves: message move tasks.
    """

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        *,
        region: str = "us-east-1",
        account: str = "000000000000",
        stale_handles: StaleHandles = StaleHandles.IGNORED,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        ids = Ids(rng)
        self.account = Account(clock, region=region, number=account)
        self.sending = Sending(self.account, ids)
        self.receiving = Receiving(self.account, ids, max_in_flight=max_in_flight)
        self.leases = Leases(self.account, stale_handles=stale_handles)
        self.moves = Moves(self.account, ids)
