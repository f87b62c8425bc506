"""Whom `fan_out` tells of what."""

from __future__ import annotations

from unittest.mock import MagicMock, Mock

import pytest

from sqsjobs.events import HeartbeatSent, PollCompleted, fan_out

BEAT, POLL = HeartbeatSent("emails", 3), PollCompleted("emails", 10, 0.1)


class Reader:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def __call__(self, event) -> None:
        self.heard.append(event)


class BeatReader(Reader):
    kinds = (HeartbeatSent,)


def test_an_observer_is_told_of_everything_or_of_the_kinds_that_it_names():
    everything, beats = Reader(), BeatReader()
    tell = fan_out([everything, beats])
    for event in (BEAT, POLL, BEAT):
        tell(event)
    assert everything.heard == [BEAT, POLL, BEAT]
    assert beats.heard == [BEAT, BEAT]


@pytest.mark.parametrize("observer", [Mock(), MagicMock(), Mock(kinds=None)], ids=["mock", "magic mock", "none"])
def test_what_is_no_collection_names_no_kinds(observer):
    fan_out([observer])(BEAT)
    observer.assert_called_once_with(BEAT)


def test_an_observer_that_raises_is_reported_once_and_disturbs_nobody(capsys):
    def broken(event):
        raise LookupError(type(event).__name__)

    heard = Reader()
    tell = fan_out([broken, heard])
    tell(BEAT)
    tell(POLL)
    assert heard.heard == [BEAT, POLL]
    assert capsys.readouterr().err.count("LookupError: HeartbeatSent") == 1
