"""What a run's figures become: verdicts, tables, a page."""

from __future__ import annotations

import pytest
from benchmarks.report.page import put_between_markers, written
from benchmarks.report.stages import BUILT, LOOP, by_library, by_place, by_stage, read_stacks, rows
from benchmarks.report.tables import spread
from benchmarks.report.targets import TARGETS, Target, ratio
from benchmarks.results import Results, Stamp
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.drain import DRAIN
from benchmarks.workloads.idle import IDLE


def results(**measured) -> Results:
    stamps = dict.fromkeys(measured, Stamp("2026-11-21", "abcdef0", 0.012))
    return Results("make bench", "a machine", {}, rounds=2, scale=1.0, measured=measured, stamps=stamps)


def drained(ours: list[float], theirs: list[float]) -> Results:
    one, other = ([{"cpu": it} for it in values] for values in (ours, theirs))
    return results(drain={"sqsjobs": one, "bare": other})


def test_a_ratio_is_taken_round_by_round():
    """A machine that is slower for a round is slower for both."""
    of_cpu = ratio(("drain", "sqsjobs", "cpu"), ("drain", "bare", "cpu"))
    assert of_cpu(drained([40.0, 80.0, 41.0], [100.0, 200.0, 100.0])) == [0.4, 0.4, 0.41]


def test_rounds_in_which_one_failed_are_left_out():
    told = drained([40.0, 80.0], [100.0])
    told.measured["drain"]["bare"].append(None)
    assert ratio(("drain", "sqsjobs", "cpu"), ("drain", "bare", "cpu"))(told) == [0.4]


@pytest.mark.parametrize(("values", "holds"), [([0.3, 0.4, 9.0], "yes"), ([0.3, 0.41, 0.42], "no")])
def test_the_median_decides(values, holds):
    verdict = Target("cost", 0.4, lambda _: values).judge(results())
    assert verdict is not None
    assert verdict.holds == holds
    assert verdict.wanted == "at most 0.40"


def test_more_may_be_better():
    verdict = Target("gain", 15, lambda _: [14.0, 16.0, 17.0], at_most=False, unit=" %", digits=0).judge(results())
    assert verdict is not None
    assert (verdict.wanted, verdict.measured, verdict.holds) == ("at least 15 %", "16 (14 to 17) %", "yes")


def test_what_was_not_measured_is_not_judged():
    assert [target.judge(results()) for target in TARGETS] == [None] * len(TARGETS)


def test_one_value_has_no_range():
    assert spread([1234.5], 0) == "1,234"
    assert spread([1.0, 3.0, 2.0], 1) == "2.0 (1.0 to 3.0)"


def test_a_page_is_written_between_its_markers_again_and_again(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results: begin (by hand) -->\nold \\1\n<!-- results: end -->\nafter\n")
    for text in ("first", "second \\g<0>"):
        put_between_markers(page, "results", text)
    assert page.read_text() == (
        "before\n<!-- results: begin (by hand) -->\n\nsecond \\g<0>\n\n<!-- results: end -->\nafter\n"
    )
    with pytest.raises(ValueError, match="no markers"):
        put_between_markers(page, "other", "text")


def test_the_page_tells_of_every_workload_and_of_what_failed():
    figures = {it.name: {"sqsjobs": [{figure.name: 1.0 for figure in it.figures}], "bare": [None]} for it in WORKLOADS}
    told = results(**figures)
    told.failures = ["drain, round 1: bare: RuntimeError\nwith a trace"]
    text = written(told)
    for workload in WORKLOADS:
        assert f"### {workload.title}\n" in text
    assert "| bare | failed |" in text
    assert "with a trace" not in text


STACKS = """\
process 1:"sqsjobs worker";thread (7): MainThread;main (/x/src/sqsjobs/cli/worker.py:9);run (/usr/lib/asyncio/runners.py:1) 6
thread (7): MainThread;_run (/x/src/sqsjobs/cli/worker.py:9);decode (/x/src/sqsjobs/envelope.py:3);loads (/usr/lib/json.py:2) 3
thread (7): MainThread;_run (/x/src/sqsjobs/worker/dispatcher.py:9);call (/x/src/sqsjobs/transport/sqs.py:3) 1
thread (8): sqsjobs-heartbeat;run (/x/src/sqsjobs/worker/heartbeat.py:9);select (/usr/lib/selectors.py:3) 90
"""


def test_a_sample_belongs_to_the_innermost_function_of_ours():
    stacks = read_stacks(STACKS)
    assert by_stage(stacks) == {LOOP: 6, "envelope and arguments": 3, "wire: requests, signatures, answers": 1}
    assert by_place(stacks) == {LOOP: 6, "`decode`, envelope.py": 3, "`call`, transport/sqs.py": 1}
    assert rows(by_stage(stacks), 50.0)[0] == (LOOP, "30.0", "60%")


def test_what_was_measured_anew_takes_the_place_of_its_own_and_leaves_the_rest():
    figures = {workload.name: {it.name: 1.0 for it in workload.figures} for workload in (DRAIN, IDLE)}
    before = results(**{name: {"sqsjobs": [figures[name]]} for name in figures})
    anew = results(drain={"sqsjobs": [figures["drain"] | {"cpu": 51.0}] * 2})
    anew.stamps["drain"] = Stamp("2026-11-22", "1234567")
    together = anew.put_into(before)
    assert together.values("drain", "sqsjobs", "cpu") == [51.0, 51.0]
    assert together.values("idle", "sqsjobs", "calls") == [1.0]
    page = written(together)
    assert "2 rounds, 2026-11-22 at 1234567." in page
    assert "1 round, 2026-11-21 at abcdef0, with 1.2% of the cores' time stolen by other guests." in page


def test_some_take_part_once():
    once, again = (tuple(it.name for it in IDLE.taking_part(number)) for number in (0, 1))
    assert set(again) < set(once)
    assert again == ("sqsjobs",)


PLAIN_STACKS = """\
MainThread;call (/x/src/sqsjobs/transport/sqs_client.py:1);add_auth (/y/botocore/auth.py:2);sha256 (/usr/lib/hashlib.py:1) 4
MainThread;_consume (/x/benchmarks/contestants/bare.py:1);send (/y/aiobotocore/httpsession.py:2);request (/y/aiohttp/client.py:1) 3
MainThread;run (/usr/lib/asyncio/runners.py:1);_do_parse (/y/botocore/parsers.py:2) 2
MainThread;_consume (/x/benchmarks/contestants/bare.py:1);_make_api_call (/y/aiobotocore/client.py:2) 5
MainThread;_run (/x/src/sqsjobs/worker/dispatcher.py:9) 6
MainThread;run (/usr/lib/asyncio/runners.py:1) 5
MainThread;<module> (/x/benchmarks/contestants/bare.py:1);on_uvloop (/x/benchmarks/contestants/producing.py:2);run (/y/uvloop/run.py:1) 2
"""


def test_a_sample_belongs_to_what_a_call_was_doing():
    """What runs a loop is on all of its stacks, and is no job."""
    assert by_library(read_stacks(PLAIN_STACKS)) == {
        "a call: its signature": 4,
        "a call: HTTP, by aiohttp": 3,
        "a call: its answer made into Python's values": 2,
        "a call: the rest of it: parameters, endpoint rules, hooks": 5,
        BUILT: 6,
        LOOP: 7,
    }
