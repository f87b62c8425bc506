"""The producer: `producer` turns calls into accepted messages, `lane` is one queue's way, `tries` how often it is tried."""

from __future__ import annotations

from sqsjobs.producer.producer import Enqueued, NotEnqueued, Producer, SendOutcome

__all__ = ["Enqueued", "NotEnqueued", "Producer", "SendOutcome"]
