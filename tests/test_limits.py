"""How large, deep and many-parted an envelope may be."""

from __future__ import annotations

import json
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sqsjobs import EnqueueRejected, EnvelopeOverLimit, limits
from sqsjobs.job import Job, new_job_id
from sqsjobs.limits import MAX_DEPTH, MAX_DIGITS, MAX_ITEMS, check_text
from sqsjobs.sealing import Sealing

MEGABYTE = 1_048_576
BOMBS = {
    "lists": "[" * MEGABYTE,
    "objects": '{"a":' * (MEGABYTE // 5),
    "digits": "1" * MEGABYTE,
    "empty lists": "[],[]," * (MEGABYTE // 6),
    "empty strings": '""' * (MEGABYTE // 2),
    "strings with brackets": '"[" ' * (MEGABYTE // 4),
    "escaped quotes": '"' + '\\"' * (MEGABYTE // 2),
    "backslashes": '"' + "\\" * MEGABYTE,
    "commas": "," * MEGABYTE,
    "towers": ("[" * 60 + "]" * 60) * (MEGABYTE // 120),
    "numbers that are almost too long": ("1" * MAX_DIGITS + " ") * (MEGABYTE // (MAX_DIGITS + 1)),
    "members": "{" + ",".join(f'"k{n}":{n}' for n in range(90_000)) + "}",
    "three bytes a character": "\u20ac" * (MEGABYTE // 3),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_costs_little_time_and_memory(bomb):
    """S15, S17: at most 50 ms of processor time, and four times its own size."""
    began = time.process_time()
    with suppress(EnvelopeOverLimit):
        check_text(bomb)
    assert time.process_time() - began < 0.05
    tracemalloc.start()
    with suppress(EnvelopeOverLimit):
        check_text(bomb)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * len(bomb.encode())


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_small_bomb_costs_little_memory(bomb):
    """What is kept whatever the size, the pieces of a chunk, is less than 128 KiB."""
    text = bomb[:65_536]
    tracemalloc.start()
    with suppress(EnvelopeOverLimit):
        check_text(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * len(text.encode()) + 131_072


def depth(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("within", "beyond", "limit"),
    [
        (depth(MAX_DEPTH), depth(MAX_DEPTH + 1), "levels"),
        (depth(MAX_DEPTH) * 2, "[]" * 5 + depth(MAX_DEPTH + 1), "levels"),
        (json.dumps([1] * (MAX_ITEMS - 1)), json.dumps([1] * (MAX_ITEMS + 1)), "items"),
        ("1" * MAX_DIGITS, "1" * (MAX_DIGITS + 1), "digits of a number"),
        ("a" * limits.MAX_TEXT_BYTES, "a" * (limits.MAX_TEXT_BYTES + 1), "bytes"),
    ],
)
def test_each_limit_is_what_it_says(within, beyond, limit):
    """S15: up to it, and no further."""
    check_text(within)
    with pytest.raises(EnvelopeOverLimit, match=limit) as caught:
        check_text(beyond)
    assert caught.value.limit == limit
    assert caught.value.code == "over-limit"


@pytest.mark.parametrize(
    "text", ["[{" * 200_000, "," * 300_000, "1" * 300_000, '\\"[[' * 1000, "\\\\" * 5000 + "\\u005b" * 99]
)
def test_what_stands_in_a_string_does_not_count(text):
    """S15: base64, long numbers as text and JSON within JSON are arguments like others."""
    check_text('{"a":"' + text + '"}')


json_like = st.text(st.sampled_from('[]{},"\\1a '), max_size=60)


@settings(max_examples=1500)
@given(json_like)
@example('111""1')
@example('[[[111"[[[[aaaaaaa"1')
def test_the_close_look_sees_what_a_slow_one_sees(text):
    """S15: with tiny limits and chunks, so that strings, escapes and numbers cross their borders."""
    if "\\" in text.replace("\\\\", "").replace('\\"', "") or not _escapes_in_strings(text):
        return  # no JSON: the parser refuses it anyhow
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "MAX_DEPTH": 3,
            "MAX_ITEMS": 6,
            "MAX_DIGITS": 3,
            "_SMALL": 0,
            "_CHUNK": 7,
            "_TOO_MANY_DIGITS": b"0000",
            "_MOST_QUOTES": 1000,
        }.items():
            patch.setattr(limits, name, value)
        try:
            check_text(text)
            found = ""
        except EnvelopeOverLimit:
            found = "over"
    assert found == _reference(text)


def _escapes_in_strings(text: str) -> bool:
    in_string = False
    characters = iter(text)
    for character in characters:
        if character == "\\":
            if not in_string:
                return False
            next(characters, "")
        elif character == '"':
            in_string = not in_string
    return True


def _reference(text: str) -> str:
    """The limits, character by character."""
    depth = items = digits = 0
    in_string = False
    characters = iter(text)
    for character in characters:
        if character == "\\":
            next(characters, "")
        elif character == '"':
            in_string = not in_string
            digits = 0
        elif not in_string:
            depth += (character in "[{") - (character in "]}")
            items += character in "[{,"
            digits = digits + 1 if character.isdigit() else 0
            if depth > 3 or items >= 6 or digits > 3:
                return "over"
    return ""


async def test_a_job_that_no_worker_would_take_is_refused_where_it_is_enqueued():
    """S15: the caller hears of it, not the dead-letter queue."""
    arguments = json.dumps({"rows": [[]] * MAX_ITEMS}).encode()
    job = Job(new_job_id(), "import_rows", "work", arguments)
    with pytest.raises(EnqueueRejected, match="100,000 items: pass a reference") as caught:
        await Sealing().seal(job)
    assert (caught.value.job_id, caught.value.code) == (job.id, "EnvelopeOverLimit")
