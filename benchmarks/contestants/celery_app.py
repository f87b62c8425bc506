"""Celery over SQS: no result backend, no events, no remote control, acknowledged late, no pause between polls."""

from __future__ import annotations

import sys
import time

from celery import Celery

from benchmarks.contestants.producing import ENDPOINT, QUEUES, TASK, WAIT, produce_in_threads, stamp

app = Celery("benchmark", broker=f"sqs://local:local@{ENDPOINT.removeprefix('http://')}")
app.conf.update(
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "wait_time_seconds": WAIT,
        "polling_interval": 0,
        "predefined_queues": {name: {"url": f"{ENDPOINT}/000000000000/{name}"} for name in QUEUES},
    },
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_default_queue=QUEUES[0],
    task_ignore_result=True,
    worker_prefetch_multiplier=10,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
)


@app.task(name="no_op")
def no_op(number: float) -> None:
    """Do nothing."""


@app.task(name="io")
def io(number: float) -> None:
    """Wait for something for 50 ms."""
    time.sleep(0.05)


@app.task(name="tell")
def tell(number: float) -> None:
    """Tell how long ago it was sent."""
    stamp(number)


if __name__ == "__main__":
    produce_in_threads({"no_op": no_op, "io": io, "tell": tell}[TASK].delay, sys.argv[1])
