"""The vocabulary of the ground floor: ids and statuses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqsjobs.job import JobStatus, checked_job_id, new_job_id


def test_an_id_is_a_uuid_of_version_7():
    """RFC 9562: the milliseconds first, so that ids sort by time."""
    before = time.time_ns() // 1_000_000
    value = UUID(new_job_id())
    assert (value.version, value.variant) == (7, "specified in RFC 4122")
    assert before <= value.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_are_sorted_by_time_and_never_the_same():
    ids = []
    for _ in range(5):
        ids.append(new_job_id())
        time.sleep(0.002)
    assert all(earlier < later for earlier, later in pairwise(ids))
    assert len({new_job_id() for _ in range(10_000)}) == 10_000


def test_a_fork_does_not_repeat_ids():
    """They are made of the operating system's randomness at every call, not of a generator that a fork copies."""
    forked = (
        "import os, sys; from sqsjobs.job import new_job_id; os.fork(); os.write(1, (new_job_id() + chr(10)).encode())"
    )
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", forked], check=True, capture_output=True, text=True, env=path)
    ids = run.stdout.split()
    assert len({job_id[14:] for job_id in ids}) == 2


@pytest.mark.parametrize("text", ["a" * 16, "A-Z_0-9_" * 8, "01a1fac9-5366-7b24-98ba-e14cf269f2ec"])
def test_an_id_of_somebody_elses_making_is_taken(text):
    assert checked_job_id(text) == text


@pytest.mark.parametrize(
    "text", ["", "a" * 15, "a" * 65, "a" * 15 + "/", "a" * 16 + "\n", "ä" * 16, "٣" * 16, ".." * 8]
)
def test_what_could_mean_something_in_a_key_a_log_or_a_url_is_no_id(text):
    """S11: the alphabet is closed."""
    with pytest.raises(ValueError, match="is no job id"):
        checked_job_id(text)


@given(st.text(max_size=70))
def test_an_id_is_in_the_alphabet_or_refused(text):
    try:
        assert checked_job_id(text).replace("-", "").replace("_", "").isalnum()
        assert text.isascii()
    except ValueError:
        pass


def test_four_statuses_are_ends():
    ended = {status for status in JobStatus if status.ended}
    assert ended == {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.DISCARDED, JobStatus.CANCELLED}
