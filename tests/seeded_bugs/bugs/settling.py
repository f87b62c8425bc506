"""Bugs of deletes, retries and dead letters."""

from __future__ import annotations

from typing import Final

from tests.seeded_bugs.bug import Bug, Edit

__all__ = ["BUGS"]

BUGS: Final = (
    Bug(
        "15",
        "the failed entries of a batch are not looked at",
        edits=(
            Edit(
                "worker/settler.py",
                "    return None if isinstance(result, Done) or result.lease_over else result\n",
                "    return None\n",
            ),
        ),
        tests=("tests/worker/test_settling.py::test_entries_of_a_delete_that_fail_are_tried_again_by_themselves",),
    ),
    Bug(
        "16",
        "the ids of a batch's entries are not those of their places",
        "Spring Cloud AWS",
        (
            Edit(
                "transport/sqs.py",
                '        numbered = [{"Id": str(position), **entry} for position, entry in enumerate(entries)]\n',
                '        numbered = [{"Id": str(hash(entry["ReceiptHandle"])), **entry} for entry in entries]\n',
            ),
            Edit(
                "transport/sqs.py",
                "            return _results(answer, len(numbered), lambda _: Done(), entry_failed)\n",
                "            results = {it['Id']: Done() for it in answer.get('Successful', ())}\n"
                "            results.update((it['Id'], entry_failed(it)) for it in answer.get('Failed', ()))\n"
                "            return [results[entry['Id']] for entry in numbered]\n",
            ),
        ),
        ("tests/conformance/test_leases.py::test_one_message_twice_in_a_batch_is_no_trouble",),
    ),
    Bug(
        "20",
        "the followers of a FIFO head that failed run before it",
        edits=(
            Edit(
                "worker/pipeline.py",
                "            if not (succeeded and held.deleted and not held.lease.over):\n",
                "            if held.lease.over:\n",
            ),
        ),
        tests=("tests/worker/test_fifo.py::test_followers_are_given_back_when_their_head_fails",),
    ),
    Bug(
        "21",
        "the followers of a FIFO head whose lease was lost go on",
        "Spring Cloud AWS",
        (
            Edit(
                "worker/pipeline.py",
                "(succeeded and held.deleted and not held.lease.over):\n",
                "(isinstance(outcome, Succeeded | LostLease) or held.lease.over):\n",
            ),
            Edit(
                "worker/pipeline.py",
                "import KeysDown, Outcome, StoreDown, Succeeded\n",
                "import KeysDown, LostLease, Outcome, StoreDown, Succeeded\n",
            ),
        ),
        (
            "tests/worker/test_fifo.py::test_followers_of_a_head_whose_lease_is_lost_are_dropped",
            "tests/worker/test_fifo.py::test_followers_of_a_head_that_could_not_be_deleted_wait_for_it_to_be_gone",
        ),
    ),
    Bug(
        "25",
        "a retry's delay may be longer than SQS can hide a message",
        "Shoryuken caps it, others do not",
        (
            Edit(
                "disposition.py",
                "Hide(max(0.0, min(delay, _longest(situation))))",
                "Hide(max(0.0, delay))",
            ),
            Edit(
                "disposition.py",
                "    too_long = delay > min(_longest(situation), _HIDE_CEILING)\n",
                "    too_long = False\n",
            ),
        ),
        ("tests/test_disposition.py::test_a_crowded_aged_or_long_hidden_message_is_sent_anew",),
    ),
    Bug(
        "26",
        "a task that this worker does not know is dead-lettered at once",
        "most job systems",
        (
            Edit(
                "disposition.py",
                "    if situation.since_first_receive >= situation.park_for:\n",
                "    if situation.since_first_receive >= 0.0:\n",
            ),
        ),
        ("tests/test_disposition.py::test_an_unknown_task_is_parked_for_longer_each_time_and_then_dead_lettered",),
    ),
    Bug(
        "27",
        "what is no envelope comes again for ever",
        edits=(
            Edit(
                "disposition.py",
                '            return _dead_lettered(situation, code, problem, Failure(f"sqsjobs.{code}", problem), attempt_back=True)\n'
                "        case Unknown(code, problem):\n",
                "            return _kept(situation, _PARK_FIRST)\n        case Unknown(code, problem):\n",
            ),
        ),
        tests=("tests/worker/test_poison.py::test_a_body_that_is_no_envelope_is_dead_lettered_at_once",),
    ),
    Bug(
        "28a",
        "the memory of deleted messages has no bound",
        edits=(Edit("worker/settler.py", "            self._done.popitem(last=False)\n", "            pass\n"),),
        tests=("tests/worker/test_settling.py::test_the_memory_of_what_was_deleted_is_bounded",),
    ),
    Bug(
        "28b",
        "every name that a message brings makes a time series",
        edits=(
            Edit(
                "observability/metrics.py",
                "        return task if task in self._tasks else UNKNOWN\n",
                "        return task\n",
            ),
            Edit(
                "observability/metrics.py",
                "            if len(self._reasons) >= _MOST_REASONS:\n                return OTHER\n",
                "",
            ),
        ),
        tests=("tests/observability/test_metrics.py::test_names_from_messages_make_no_series",),
    ),
    Bug(
        "28c",
        "a producer tries again without a budget",
        edits=(
            Edit(
                "producer/tries.py",
                "        at = max(earliest, due - self._credit)\n",
                "        at = earliest\n",
            ),
        ),
        tests=("tests/api/test_producer.py::test_the_retry_budget_spreads_retries_over_time",),
    ),
    Bug(
        "34",
        "retries have no jitter",
        edits=(
            Edit(
                "retry.py", "        return random * self.ceiling(attempt)\n", "        return self.ceiling(attempt)\n"
            ),
        ),
        tests=("tests/test_retry.py::test_an_exponential_backoff_has_full_jitter",),
    ),
)
