"""Dramatiq with dramatiq_sqs: ten messages prefetched, which is the most that it can, and only the middleware it needs."""

from __future__ import annotations

import sys
import time

import dramatiq
from dramatiq.middleware import Retries, ShutdownNotifications
from dramatiq_sqs import SQSBroker

from benchmarks.contestants.producing import ENDPOINT, QUEUES, TASK, produce_in_threads, stamp

broker = SQSBroker(
    endpoint_url=ENDPOINT, region_name="us-east-1", middleware=[Retries(max_retries=4), ShutdownNotifications()]
)
dramatiq.set_broker(broker)
for queue in QUEUES[1:]:
    dramatiq.actor(lambda _: None, actor_name=f"idle-{queue}", queue_name=queue)  # a queue of its own is an actor's


@dramatiq.actor(actor_name="no_op", queue_name=QUEUES[0])
def no_op(number: float) -> None:
    """Do nothing."""


@dramatiq.actor(actor_name="io", queue_name=QUEUES[0])
def io(number: float) -> None:
    """Wait for something for 50 ms."""
    time.sleep(0.05)


@dramatiq.actor(actor_name="tell", queue_name=QUEUES[0])
def tell(number: float) -> None:
    """Tell how long ago it was sent."""
    stamp(number)


if __name__ == "__main__":
    produce_in_threads({"no_op": no_op, "io": io, "tell": tell}[TASK].send, sys.argv[1])
