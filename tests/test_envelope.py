"""The job on the wire."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.trials import examples

from sqsjobs.envelope import MAX_ENVELOPE_BYTES, VERSION, decode, encode
from sqsjobs.errors import InvalidEnvelope, UnsupportedVersion
from sqsjobs.job import Job, JobId, new_job_id
from sqsjobs.transport.base import MAX_MESSAGE_BYTES

SENDABLE = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
"""What SQS takes as a body (`SendMessage`: characters of XML 1.0)."""

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)
jobs = st.builds(
    Job,
    id=st.from_regex(r"[A-Za-z0-9_-]{16,64}", fullmatch=True).map(JobId),
    task=text.filter(str.isprintable).filter(bool),
    queue=st.just("work"),
    arguments=st.dictionaries(text, values, max_size=4).map(lambda args: json.dumps(args, ensure_ascii=False).encode()),
    headers=st.dictionaries(text, text, max_size=3),
    enqueued_at=st.floats(1, 4e9),
    group=st.none() | st.just("g"),
    epoch=st.integers(0, 10**6),
    attempts=st.integers(0, 10**6),
    not_before=st.none() | st.floats(0, 4e9),
    callback=st.none() | text.filter(bool),
)


@given(jobs)
@example(Job(new_job_id(), "t", "work", b'{"a":"\xef\xbf\xbe\xef\xbf\xbf \\u0000"}', {"\ufffe": "\uffff\x00"}, 1.0))
def test_a_job_comes_back_as_it_was_sent(job):
    """R31: all of it but the queue and the group, which travel beside it; and in characters that SQS takes."""
    body = encode(job)
    assert SENDABLE.fullmatch(body)
    again = decode(body, queue="work", message_id="m" * 36, group=job.group)
    assert json.loads(again.arguments) == json.loads(job.arguments)
    assert {**again.headers} == {**job.headers}
    for field in ("id", "task", "queue", "enqueued_at", "group", "epoch", "attempts", "not_before", "callback"):
        assert getattr(again, field) == getattr(job, field)


def test_the_smallest_envelope_can_be_written_by_hand():
    """It takes its id from the message, and its date from SQS."""
    job = decode('{"sqsjobs": 1, "task": "resize", "args": {}}', queue="q", message_id="m" * 36, sent_at=5.0)
    assert job == Job(JobId("m" * 36), "resize", "q", b"{}", enqueued_at=5.0)
    assert decode('{"sqsjobs": 1, "task": "t"}', queue="q", message_id="m" * 36).arguments == b"{}"


def test_what_is_default_is_not_written():
    """A body is read by people, too."""
    job = Job(new_job_id(), "t", "q", b'{"n":1}', enqueued_at=2.5)
    assert json.loads(encode(job)) == {"sqsjobs": 1, "task": "t", "id": job.id, "args": {"n": 1}, "enqueued_at": 2.5}


def test_unknown_fields_are_ignored():
    """R49: a minor version may add some."""
    job = decode('{"sqsjobs": 1, "task": "t", "new": [{}], "args": {"a": 1}}', queue="q", message_id="m" * 36)
    assert json.loads(job.arguments) == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [
        f'{{"sqsjobs": {VERSION + 1}, "task": "t"}}',
        f'{{"sqsjobs": {VERSION + 1}}}',
        f'{{"task": ["another", "shape"], "sqsjobs": {VERSION + 41}, "args": 7}}',
    ],
)
def test_a_newer_version_is_told_apart_whatever_else_it_changes(body):
    """R48: so that it is parked, and not taken for poison."""
    with pytest.raises(UnsupportedVersion, match="deploy workers before producers"):
        decode(body, queue="q", message_id="m" * 36)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("\ud800", "not JSON"),
        ("[" * 100_000, "more than 64 levels"),
        ('{"a":' * 100_000, "more than 64 levels"),
        ('{"sqsjobs": 1, "task": "t", "args": ' + "[" * 5000 + "]" * 5000 + "}", "more than 64 levels"),
        ('{"sqsjobs": 1, "task": "t", "args": {"n": ' + "9" * 5000 + "}}", "more than 4,096 digits"),
        (json.dumps({"sqsjobs": 1, "task": "t", "args": {"n": [1] * 100_000}}), "more than 100,000 items"),
        (json.dumps({"sqsjobs": 1, "task": "t", "headers": dict.fromkeys(map(str, range(5000)), "")}), "headers"),
        (json.dumps({"sqsjobs": 1, "task": "t", "x": "a" * 4_194_304}), "more than 4,194,304 bytes"),
        ('{"sqsjobs": 1, "task": ""}', "printable"),
        ('{"sqsjobs": 1, "task": "a\\nb"}', "printable"),
        ('{"sqsjobs": 1, "task": "\\u0000"}', "printable"),
        (json.dumps({"sqsjobs": 1, "task": "t" * 513}), "1 to 512 printable"),
        ("null", "not an sqsjobs envelope"),
        ("{}", "sqsjobs"),
        ('{"sqsjobs": 1}', "task"),
        ('{"sqsjobs": 1.5, "task": "t"}', "sqsjobs"),
        ('{"sqsjobs": true, "task": "t"}', "sqsjobs"),
        ('{"sqsjobs": 0, "task": "t"}', "version 0"),
        ('{"sqsjobs": 1, "task": "t", "args": null}', "by name"),
        ('{"sqsjobs": 1, "task": "t", "args": "{}"}', "by name"),
        ('{"sqsjobs": 1, "task": "t", "id": "short"}', "no job id"),
        ('{"sqsjobs": 1, "task": "t", "id": "a/../../b_cccccccccc"}', "no job id"),
        ('{"sqsjobs": 1, "task": "t", "attempts": -1}', "attempts"),
        ('{"sqsjobs": 1, "task": "t", "epoch": -1}', "epoch"),
        ('{"sqsjobs": 1, "task": "t", "headers": []}', "headers"),
        ('{"sqsjobs": 1, "task": "t", "enqueued_at": "now"}', "enqueued_at"),
        ('{"sqsjobs": 1, "task": "t", "callback": ""}', "callback"),
        ('{"sqsjobs": 1, "task": "t", "callback": ["https://a.example"]}', "callback"),
        ('{"sqsjobs": 1, "task": "t", "callback": "' + "x" * 2049 + '"}', "callback"),
        ('{"sqsjobs": 1, "task": "t", "not_before": NaN}', "not JSON"),
        ('{"sqsjobs": 1, "task": "t", "not_before": 1e999}', "not_before"),
        ('{"sqsjobs": 1, "task": "t", "not_before": 1e300}', "not_before"),
        ('{"sqsjobs": 1, "task": "t", "enqueued_at": -1}', "enqueued_at"),
        ('{"sqsjobs": 1, "task": "t", "attempts": 99999999999999999999}', "attempts"),
    ],
    ids=lambda value: value[:40],
)
def test_what_is_no_envelope_is_refused_with_its_reason(body, problem):
    """R47 and S15: bombs of depth included."""
    with pytest.raises(InvalidEnvelope, match=problem):
        decode(body, queue="q", message_id="m" * 36)


BODY = encode(
    Job(JobId("0" * 16), "resize", "q", b'{"bucket":"in","width":200}', {"traceparent": "00-1"}, 1.5, None, 1)
)


@examples(400)
@given(
    st.one_of(
        st.text(max_size=200),
        values.map(json.dumps),
        st.dictionaries(
            st.sampled_from(
                [
                    "sqsjobs",
                    "task",
                    "id",
                    "args",
                    "headers",
                    "enqueued_at",
                    "epoch",
                    "attempts",
                    "not_before",
                    "callback",
                ]
            ),
            values | st.just(1),
        ).map(json.dumps),
        st.tuples(st.integers(0, len(BODY)), st.integers(0, 20), st.text(max_size=5)).map(
            lambda cut: BODY[: cut[0]] + cut[2] + BODY[cut[0] + cut[1] :]
        ),
    )
)
def test_any_body_is_a_job_or_one_of_two_errors(body):
    """Nothing else is ever raised, whatever somebody sends."""
    with suppress(InvalidEnvelope, UnsupportedVersion):
        job = decode(body, queue="q", message_id="m" * 36)
        assert isinstance(job.task, str)
        assert job.attempts >= 0
        assert job.epoch >= 0
        assert job.arguments.startswith(b"{")


def test_there_is_room_for_a_dead_letters_annotation():
    """Design section 6: the largest envelope, less than what SQS takes."""
    assert MAX_MESSAGE_BYTES - MAX_ENVELOPE_BYTES == 4096
