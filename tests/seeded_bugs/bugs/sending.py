"""Bugs of producers and of the transport."""

from __future__ import annotations

from typing import Final

from tests.seeded_bugs.bug import Bug, Edit

__all__ = ["BUGS"]

_TRIED_AGAIN: Final = "        for entry in entries:\n            entry.was_tried = True\n"

BUGS: Final = (
    Bug(
        "17",
        "a send that is repeated has another job id",
        edits=(
            Edit(
                "producer/lane.py",
                _TRIED_AGAIN,
                "        for entry in entries:\n"
                "            if entry.was_tried:\n"
                "                from msgspec.structs import replace\n"
                "                from sqsjobs.job import new_job_id\n"
                "                body = entry.message.body.replace(entry.job.id, new_job_id())\n"
                "                entry.message = replace(entry.message, body=body)\n"
                "            entry.was_tried = True\n",
            ),
        ),
        tests=("tests/api/test_producer.py::test_a_lost_answer_is_tried_again_and_ends_accepted",),
    ),
    Bug(
        "18",
        "a send that is repeated has another deduplication id",
        "kombu, by default",
        (
            Edit(
                "producer/lane.py",
                _TRIED_AGAIN,
                "        for entry in entries:\n"
                "            if entry.was_tried and self._fifo:\n"
                "                from msgspec.structs import replace\n"
                "                from uuid import uuid4\n"
                "                entry.message = replace(entry.message, deduplication_id=uuid4().hex)\n"
                "            entry.was_tried = True\n",
            ),
        ),
        ("tests/api/test_producer.py::test_a_repeated_send_to_a_fifo_queue_is_one_message",),
    ),
    Bug(
        "19",
        "sizes are counted in characters",
        "moto",
        (
            Edit(
                "transport/base.py",
                "    return len(text) if text.isascii() else len(text.encode())\n",
                "    return len(text)\n",
            ),
        ),
        ("tests/transport/test_base.py::test_sizes_are_bytes_and_not_characters",),
    ),
    Bug(
        "23",
        "polls, deletes and sends share one small pool of connections",
        "misk",
        (
            Edit(
                "transport/sqs.py",
                "            self._opened = _Opened(\n"
                "                poll=await client(self._pools.poll, longest_wait=MAX_WAIT),\n"
                "                control=await client(self._pools.control),\n"
                "                send=await client(self._pools.send),\n"
                "            )\n",
                "            one = await client(10, longest_wait=MAX_WAIT)\n"
                "            self._opened = _Opened(poll=one, control=one, send=one)\n",
            ),
        ),
        ("tests/transport/test_sqs_errors.py::test_open_polls_use_connections_of_their_own",),
    ),
    Bug(
        "24",
        "a delayed job is due by the clock of whoever sent it",
        edits=(
            Edit(
                "producer/producer.py",
                "await self._sealing.seal(entry.job), entry.call.delay)",
                "await self._sealing.seal(_dated(entry)), 0.0)",
            ),
            Edit(
                "producer/producer.py",
                "self._sealing.seal_at_once(entry.job), entry.call.delay)",
                "self._sealing.seal_at_once(_dated(entry)), 0.0)",
            ),
            Edit(
                "producer/producer.py",
                "def _checked(calls",
                "def _dated(entry: Outgoing) -> Job:\n"
                "    from msgspec.structs import replace\n\n"
                "    due = entry.job.enqueued_at + entry.call.delay\n"
                "    return replace(entry.job, not_before=due) if entry.call.delay else entry.job\n\n\n"
                "def _checked(calls",
            ),
        ),
        tests=("tests/api/test_producer.py::test_a_delay_is_counted_by_sqs_and_by_no_clock_of_ours",),
    ),
    Bug(
        "31",
        "the attempt id of a throttled receive is used again",
        "the Java messaging library",
        (
            Edit(
                "worker/poller.py",
                "            if attempt_id is None or not problem.sent or isinstance(problem, Throttled):\n",
                "            if attempt_id is None:\n",
            ),
        ),
        ("tests/worker/test_fifo.py::test_after_throttling_the_attempt_id_is_a_fresh_one",),
    ),
)
