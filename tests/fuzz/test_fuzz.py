"""The short form of `make fuzz`, and that the rig sees what it is there to see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz.playing import input_of
from tests.fuzz.replies import Ending, genuine
from tests.fuzz.wire import feed_reply

from sqsjobs.transport.wire.connection import Connection

ROOT = Path(__file__).parents[2]

PRANKS = """
import json, os, sys, time
from random import Random
from tests.fuzz import playing, targets
from tests.fuzz.targets import Forgery, Target

def forge(_): raise Forgery("accepted")
def crash(_): raise KeyError("deep inside")
def dawdle(_):
    began = time.thread_time()
    while time.thread_time() < began + 0.06: pass
    return "late"
def hoard(text): return str(len([text + str(n) for n in range(20)]))
def obey(_):
    import this_module_is_imported_because_a_message_says_so
def peek(_): return str(len(os.fsdecode(open(os.devnull).read())))

pranks = {"forgery": forge, "crash": crash, "slow": dawdle, "memory": hoard, "deed": obey, "deed of another kind": peek}
playing._prepare()
for name, feed in pranks.items():
    targets.TARGETS[name] = Target(lambda chance: "x" * 100_000, feed, 1)
    score = playing.Score()
    playing.play(7, score, name)
    print(json.dumps([name, [finding.kind for finding in score.findings]]))
"""

PLANTS = """
import importlib, json, zlib
from types import SimpleNamespace
from tests.fuzz import playing, targets
from sqsjobs.sealing import compression

check, codec_of = targets._check, targets._decoded

def obey(job):
    module, _, name = job.task.rpartition(".")
    try:
        getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError):
        pass
    check(job)

class Careless:
    def __init__(self):
        self.real = zlib.decompressobj()
        self.eof, self.unused_data = True, b""
    def decompress(self, small, limit):
        return self.real.decompress(small)

def hoard(known, raw):
    return codec_of(known, raw) + str(len(bytes(600_000)))

plants = {
    "an import by a message's word": (targets, "_check", obey, None),
    "an inflater that stops too late": (compression, "zlib", SimpleNamespace(decompressobj=Careless, error=zlib.error), "compression"),
    "a limit that was moved": (compression, "_allowed", lambda size: 16_000_000, "compression"),
    "a codec that wants much for little": (targets, "_decoded", hoard, "codec"),
}
playing._prepare()
for name, (module, word, planted, only) in plants.items():
    genuine = getattr(module, word)
    setattr(module, word, planted)
    score = playing.play_all(range(1500), only)
    setattr(module, word, genuine)
    print(json.dumps([name, sorted({finding.kind for finding in score.findings})]))
print(json.dumps(["nothing", [str(finding) for finding in playing.play_all(range(1500)).findings]]))
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )


def test_twenty_thousand_inputs_find_nothing(tmp_path):
    """S1, S2, S3, S5, S15, S16, S17, I17, R31, R47: no crash, forgery, deed; none slow, none greedy; no bit of a seal flipped."""
    ledger = tmp_path / "fuzz.json"
    short = ["--inputs", "20000", "--first", "0", "--bits", "10", "--nonces", "20000", "--cores", "1"]
    run = python("-m", "tests.fuzz", *short, "--ledger", str(ledger))
    assert run.returncode == 0, run.stdout + run.stderr
    told = json.loads(ledger.read_text())
    assert told["found"] == {"crash": 0, "forgery": 0, "deed": 0, "slow": 0, "memory": 0}
    assert told["nonces"] == {"made": 20_000, "repeated": 0}
    assert told["inputs"] > 20_000 + 10 * 8 * 500
    assert told["memory_measured"] > 1000
    assert told["inflated"]["measured"] > 200
    assert told["inflated"]["largest"] == 4_194_304  # the limit: some met it, and some kept within it
    assert told["targets"]["compression"]["outcomes"]["accepted, of megabytes"] > 5
    for name in ("envelope", "message", "codec", "signature", "encryption", "compression", "answer", "annotation"):
        outcomes = told["targets"][name]["outcomes"]
        accepted = sum(count for word, count in outcomes.items() if word.startswith("accepted"))
        assert 0 < accepted < sum(outcomes.values()), name  # inputs that are all right, or all wrong, find nothing


def test_the_rig_sees_what_must_not_be():
    """I17: a crash, a forgery, a slow and a greedy input, an import and an opened file."""
    run = python("-c", PRANKS)
    seen = dict(json.loads(line) for line in run.stdout.splitlines())
    assert run.returncode == 0, run.stderr
    assert seen["forgery"] == ["forgery"]
    assert seen["crash"] == ["crash"]
    assert seen["slow"] == ["slow"]
    assert seen["memory"] == ["memory"]
    assert seen["deed"] == ["crash", "deed"]
    assert seen["deed of another kind"] == ["deed"]


def test_ordinary_inputs_find_what_was_planted():
    """S16, I17: an import by a message's word, an inflater that holds too much, a limit that was moved, a codec that hoards."""
    run = python("-c", PLANTS)
    seen = dict(json.loads(line) for line in run.stdout.splitlines())
    assert run.returncode == 0, run.stderr
    assert seen["an import by a message's word"] == ["deed"]
    assert seen["an inflater that stops too late"] == ["memory"]
    assert seen["a limit that was moved"] == ["crash", "memory"]
    assert seen["a codec that wants much for little"] == ["memory"]
    assert seen["nothing"] == []


def test_a_seed_is_one_input_everywhere():
    """So that a finding can be fed again by its number alone."""
    run = python("-m", "tests.fuzz", "--seed", "3000000017")
    name, given = input_of(3_000_000_017)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[:2] == [f"{name}, seed 3000000017:", ascii(given)]


def test_an_answer_that_is_another_s_is_seen(monkeypatch):
    """The connection that is fed is one that would be used again with half an answer in it, had nobody closed it."""
    answer = genuine("DeleteMessageBatch")
    reply = ("DeleteMessageBatch", answer + answer[:-5], Ending((), "stays"))
    assert feed_reply(reply) == "accepted"

    monkeypatch.setattr(Connection, "close", lambda _: None)
    with pytest.raises(AssertionError, match="an answer that is another's"):
        feed_reply(reply)
