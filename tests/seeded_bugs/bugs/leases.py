"""Bugs of polls, leases and heartbeats."""

from __future__ import annotations

from typing import Final

from tests.seeded_bugs.bug import Bug, Edit

__all__ = ["BUGS"]

BUGS: Final = (
    Bug(
        "3",
        "a stop cancels the open receives",
        "NServiceBus",
        (
            Edit(
                "worker/poller.py",
                "        self._stopped = True\n",
                "        self._stopped = True\n        for poll in self._polls:\n            poll.cancel()\n",
            ),
        ),
        ("tests/worker/test_stopping.py::test_a_poll_is_never_cancelled_and_what_it_brings_is_given_back",),
    ),
    Bug(
        "4",
        "messages are released before the polls have ended",
        "kombu",
        (
            Edit(
                "worker/pipeline.py",
                "        await _first(self.poller.ended, self._stop.wait_at_once)\n",
                "",
            ),
            Edit(
                "worker/pipeline.py",
                "        linger = self._options.poll_wait + 1.0 if self.intake.open_polls else 0.0\n",
                "        linger = 0.0\n",
            ),
        ),
        (
            "tests/worker/test_stopping.py::test_nothing_is_released_before_the_last_poll_has_ended",
            "tests/worker/test_stopping.py::test_a_poll_is_never_cancelled_and_what_it_brings_is_given_back",
        ),
    ),
    Bug(
        "5",
        "the heart beats on the loop of the jobs",
        "most asyncio workers",
        (
            Edit(
                "worker/heartbeat.py",
                '    thread = threading.Thread(target=shell.run, name="sqsjobs-heartbeat", daemon=True)\n'
                "    thread.start()\n",
                "    beating = asyncio.ensure_future(shell._beat())\n"
                "    beating.add_done_callback(lambda _: shell._report(ended, None))\n",
            ),
        ),
        ("tests/worker/test_blocked_loop.py",),
    ),
    Bug(
        "6",
        "the first heartbeat that fails is the last",
        "MassTransit, NServiceBus",
        (
            Edit(
                "worker/lease.py",
                "                lease.next_beat = self._clock.now() + self._until_retry()\n"
                "            self._release_waiters(beat)",
                '                lease.next_beat = float("inf")\n            self._release_waiters(beat)',
            ),
        ),
        ("tests/worker/test_leases.py::test_heartbeats_that_fail_are_tried_again_while_the_lease_lasts",),
    ),
    Bug(
        "7",
        "a heartbeat outlives its job",
        "MassTransit",
        (
            Edit(
                "worker/lease.py",
                "            lease.retired = True\n"
                "            if self._leases.get(lease.message_id) is lease:\n"
                "                del self._leases[lease.message_id]\n",
                "",
            ),
        ),
        (
            "tests/worker/test_leases.py::test_heartbeats_end_with_the_job",
            "tests/worker/test_lease_book.py::test_what_has_left_the_book_is_never_beaten_again",
        ),
    ),
    Bug(
        "8",
        "a heartbeat on its way is not waited for before a release",
        edits=(Edit("worker/settler.py", "            await asyncio.wrap_future(beat)\n", "            pass\n"),),
        tests=("tests/worker/test_leases.py::test_a_heartbeat_on_its_way_lands_before_the_release",),
    ),
    Bug(
        "9",
        "deadlines count from the answer, not from the request",
        edits=(
            Edit(
                "worker/poller.py",
                "        self._received(deliveries, asked_at)",
                "        self._received(deliveries, ended)",
            ),
            Edit(
                "worker/heartbeat.py",
                "self._book.beaten(beat, results, asked_at)",
                "self._book.beaten(beat, results, self._clock.now())",
            ),
        ),
        tests=("tests/simulation/test_seeds.py::test_no_promise_is_broken[0]",),
    ),
    Bug(
        "10",
        "a message is shown with a handle whose lease is over",
        "what emulators allow, and perhaps AWS",
        (
            Edit(
                "worker/closing.py",
                "done = not held.lease.over and await self._settler.hide(held, delay)",
                "done = await self._settler.hide(held, delay)",
            ),
            Edit(
                "worker/settler.py",
                "        if held.lease.over:\n"
                '            return self._reported(held, "hide", held.lease.lost or "the lease is over")\n',
                "",
            ),
            Edit(
                "worker/settler.py",
                "        stands = [not lease.over for lease, _ in changes]\n",
                "        stands = [True for lease, _ in changes]\n",
            ),
        ),
        ("tests/worker/test_records.py::test_a_retry_that_is_recorded_after_its_lease_has_ended_touches_no_message",),
    ),
    Bug(
        "22",
        "what was fetched ahead gets no heartbeat, and is kept all the same",
        "dramatiq_sqs",
        (
            Edit(
                "worker/dispatcher.py",
                "        held = Held(delivery, self._book.grant(delivery, asked_at))\n",
                "        held = Held(delivery, self._book.grant(delivery, asked_at))\n"
                '        held.lease.next_beat = float("inf")\n',
            ),
            Edit(
                "worker/dispatcher.py",
                "        self._spawn(held, self._live(held))\n",
                "        held.lease.next_beat = held.lease.granted + self._book.interval\n"
                "        self._spawn(held, self._live(held))\n",
            ),
            Edit(
                "worker/pipeline.py",
                "            overdue = around.clock.now() - self._options.visibility / 2\n",
                '            overdue = -float("inf")\n',
            ),
        ),
        ("tests/worker/test_leases.py::test_what_waits_for_a_slot_is_kept_hidden_and_given_back_after_half_a_lease",),
    ),
    Bug(
        "33",
        "the message of a thread is released while the thread runs",
        "MassTransit",
        (
            Edit(
                "worker/executor.py",
                "                with attempt.run.stopped_by(overrun):\n",
                "                with attempt.run.stopped_by(attempt.run.stop or overrun):\n",
            ),
        ),
        (
            "tests/worker/test_stopping.py::test_a_thread_that_goes_on_is_abandoned_and_its_message_released_a_little_later",
            "tests/worker/test_executing.py::test_a_thread_past_its_timeout_keeps_its_slot_and_its_lease_until_it_ends",
        ),
    ),
)
