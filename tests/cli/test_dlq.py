"""``sqsjobs dlq redrive`` and ``purge``: nothing is done that was not said twice."""

from __future__ import annotations

import io
import json
import sys

import pytest

from sqsjobs.cli.consent import Consent
from sqsjobs.cli.exits import FAILED, NOT_YET, OK, USAGE
from sqsjobs.errors import ConfigurationError
from sqsjobs.local.faults import FaultPlan, FaultRule
from sqsjobs.testing.server_thread import LocalServerThread
from sqsjobs.transport.base import OutgoingMessage
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.model import Phase


@pytest.fixture
async def letters(server):
    """Three dead letters of queue mails: two jobs, and something that is no job."""
    server.reset()
    server.sqs.create_queue("mails", dead_letter_queue="mails-dlq")
    body = json.dumps({"sqsjobs": 1, "task": "mail", "args": {"to": "x"}})
    async with MemoryTransport(server.sqs) as transport:
        sent = await transport.send("mails-dlq", [OutgoingMessage(text) for text in (body, body, "no job")])
    return [it.message_id for it in sent]  # type: ignore[union-attr]


def left(server: LocalServerThread) -> int:
    return len(server.sqs.peek("mails-dlq"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


BOTH = pytest.mark.parametrize("deed", ["redrive", "purge"])


# Consent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [Consent(), Consent(dry_run=True), Consent(dry_run=True, yes=True), Consent(dry_run=True, execute=True)],
    ids=str,
)
def test_a_dry_run_is_the_default(capsys, said):
    """S24: and goes before everything else that was said."""
    assert not said.given("mails", "sent")
    assert "this was a dry run, so nothing was sent: say --execute" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "agreed"), [("mails", True), ("yes", False), ("", False)])
def test_the_name_of_the_queue_has_to_be_typed(capsys, monkeypatch, typed, agreed):
    """S24: typed confirmation."""
    monkeypatch.setattr(sys, "stdin", Terminal(f"{typed}\n"))
    assert Consent(execute=True).given("mails", "sent") is agreed
    assert "type the queue's name, mails, to go on" in capsys.readouterr().err


def test_nobody_to_ask_is_no_yes():
    """S24: without a terminal, only --yes does it."""
    with pytest.raises(ConfigurationError, match="nothing was sent: there is nobody to ask, so say --yes"):
        Consent(execute=True).given("mails", "sent")
    assert Consent(yes=True).given("mails", "sent")


# The commands ----------------------------------------------------------------------------------------


@BOTH
def test_nothing_is_done_without_a_choice(run_here, shell, server, letters, deed):
    """S24: no command means all letters by default."""
    ran = run_here("dlq", deed, shell.app, "--queue", "mails", "--yes")
    assert ran.code == USAGE
    assert "--all" in ran.err
    assert left(server) == 3


@BOTH
def test_without_a_word_nothing_is_done(run_here, shell, server, letters, deed):
    """S24: what would be done is said; the letters can be read by others again."""
    ran = run_here("dlq", deed, shell.app, "--queue", "mails", "--task", "mail")
    assert ran.code == OK
    assert "mail\tmoved-by-sqs\t2" in ran.out
    assert "dry run" in ran.err
    assert [message.phase for message in server.sqs.peek("mails-dlq")] == [Phase.VISIBLE] * 3


@pytest.mark.parametrize(("deed", "name"), [("redrive", "mails"), ("purge", "mails-dlq")])
def test_with_the_right_name_it_is_done(run_here, shell, server, letters, monkeypatch, deed, name):
    """S24: of what is lost for good, the name of the queue that loses it."""
    monkeypatch.setattr(sys, "stdin", Terminal(f"{name}\n"))
    assert run_here("dlq", deed, shell.app, "--queue", "mails", "--task", "mail", "--execute").code == OK
    assert left(server) == 1


def test_what_is_no_job_stays(run_here, shell, server, letters):
    ran = run_here("dlq", "redrive", shell.app, "--queue", "mails", "--all", "--yes")
    assert ran.code == FAILED
    assert "2 sent back, 1 left" in ran.err
    assert "it carries no job" in ran.err
    assert left(server) == 1


@BOTH
def test_letters_that_are_not_there(run_here, shell, letters, deed):
    assert run_here("dlq", deed, shell.app, "nothing", "--queue", "mails", "--yes").code == NOT_YET


def test_those_that_were_chosen_are_deleted(run_here, shell, server, letters):
    """S24: by their ids, and no others."""
    ran = run_here("dlq", "purge", shell.app, *letters[1:], "--queue", "mails", "--yes")
    assert ran.code == OK
    assert "2 deleted, 0 left" in ran.err
    assert [message.message_id for message in server.sqs.peek("mails-dlq")] == letters[:1]


@pytest.fixture
async def read_by_somebody(server, letters):
    """A message waits in queue mails, and one of the dead letters is being read."""
    async with MemoryTransport(server.sqs) as transport:
        await transport.send("mails", [OutgoingMessage("a message")])
        await transport.receive("mails-dlq", limit=1, wait=0, visibility=60)


def test_all_are_deleted_at_once_also_what_somebody_reads(run_here, shell, server, read_by_somebody):
    """S24: by PurgeQueue, and the queue that the letters came from keeps its messages."""
    dry = run_here("dlq", "purge", shell.app, "--queue", "mails", "--all")
    assert "mails-dlq has about 3 dead letters" in dry.err
    assert left(server) == 3
    ran = run_here("dlq", "purge", shell.app, "--queue", "mails", "--all", "--yes")
    assert ran.code == OK
    assert "within 60 seconds" in ran.err
    assert left(server) == 0
    assert len(server.sqs.peek("mails")) == 1


def test_a_count_of_none_is_not_believed(run_here, shell, server):
    """R64: SQS's counts lag by a minute, so they are shown and decide nothing: the queue is emptied all the same."""
    server.reset()
    server.sqs.create_queue("mails", dead_letter_queue="mails-dlq")
    assert "about 0 dead letters" in run_here("dlq", "purge", shell.app, "--queue", "mails", "--all", "--yes").err
    again = run_here("dlq", "purge", shell.app, "--queue", "mails", "--all", "--yes")
    assert "once in 60 seconds" in again.err  # so it was done before


def test_a_queue_is_purged_once_in_60_seconds(run_here, shell, server, letters):
    """S24: SQS's rule, in words."""
    assert run_here("dlq", "purge", shell.app, "--queue", "mails", "--all", "--yes").code == OK
    again = run_here("dlq", "purge", shell.app, "--queue", "mails", "--all", "--yes")
    assert again.code == FAILED
    assert "once in 60 seconds: try again in a minute" in again.err


def test_a_letter_that_sqs_does_not_delete_is_told_of(run_here, shell, server, letters):
    server.plan = FaultPlan([FaultRule("partial", "DeleteMessageBatch", rate=1.0)])
    ran = run_here("dlq", "purge", shell.app, "--queue", "mails", "--task", "mail", "--yes")
    assert ran.code == FAILED
    assert "left where they are" in ran.err
