"""``sqsjobs enqueue``: arguments from words, and the job's id in the end."""

from __future__ import annotations

import json

import pytest

from sqsjobs import App
from sqsjobs.cli.enqueue import arguments_json
from sqsjobs.cli.exits import NOT_YET, OK, USAGE
from sqsjobs.errors import InvalidArguments

app = App("words")


@app.task
async def words(
    text: str, number: int, maybe: str | None = None, old: str | None = None, many: list[int] | None = None
) -> None: ...


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("text=hello", "hello"),
        ("text=200", "200"),
        ("text=null", "null"),
        ("text=", ""),
        ("text=a=b", "a=b"),
        ('text="quoted"', '"quoted"'),
        ("number=200", 200),
        ("number=wide", "wide"),
        ("maybe=200", "200"),
        ("maybe=null", None),
        ("old=5", "5"),
        ("old=null", None),
        ("many=[1,2]", [1, 2]),
        ("unknown=true", True),
    ],
)
def test_a_value_is_what_the_task_wants(word, value):
    """JSON where it can be, text where the task wants text; the codec has the last word."""
    name = word.partition("=")[0]
    assert json.loads(arguments_json(words, [word])) == {name: value}


@pytest.mark.parametrize("given", [["hello"], ["=5"], ["text=a", "text=b"]])
def test_words_that_are_no_arguments(given):
    with pytest.raises(InvalidArguments):
        arguments_json(words, given)


def test_the_id_is_all_that_is_printed(run_here, shell, server):
    ran = run_here("enqueue", shell.app, "resize", "key=a.png", "width=200")
    assert ran.code == OK
    (message,) = server.sqs.peek("images")
    assert json.loads(message.body)["args"] == {"key": "a.png", "width": 200}
    assert ran.out == json.loads(message.body)["id"] + "\n"


def test_all_arguments_as_json(run_here, shell, server):
    assert run_here("enqueue", shell.app, "resize", "--json", '{"key": "a.png"}').code == OK
    assert json.loads(server.sqs.peek("images")[0].body)["args"]["key"] == "a.png"


def test_how_it_is_sent(run_here, shell, server):
    sent = run_here("enqueue", shell.app, "resize", "key=a", "--queue", "mails", "--delay", "60", "--group", "tenant-7")
    assert sent.code == OK
    assert len(server.sqs.peek("mails")) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["resise"], "Did you mean 'resize'?"),
        (["resize", "key=a", "width=wide"], "argument 'width'"),
        (["resize", "key=a", "colour=red"], "colour"),
        (["resize", "a.png"], "write name=value"),
        (["resize", "--json", "[1]"], "task 'resize'"),
        (["order", "number=1"], "FIFO"),
        (["resize", "key=a", "--delay", "1000"], "900"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(run_here, shell, server, line, said):
    ran = run_here("enqueue", shell.app, *line)
    assert ran.code != OK
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert server.sqs.peek("images") == []


def test_waiting_for_a_job_that_does_not_end(run_here, shell):
    """3: not yet; the job goes on."""
    ran = run_here("enqueue", shell.app, "resize", "key=a", "--wait", "--timeout", "0")
    assert ran.code == NOT_YET
    assert "goes on" in ran.err


def test_a_unique_job_is_not_sent_twice(run_here, shell, server):
    first, second = (run_here("enqueue", shell.app, "resize", "key=a", "--unique", "a") for _ in range(2))
    assert first.out == second.out
    assert len(server.sqs.peek("images")) == 1


def test_waiting_needs_a_store(run_here, shell, monkeypatch):
    monkeypatch.delenv("SQSJOBS_STORE")
    ran = run_here("enqueue", shell.app, "resize", "key=a", "--wait")
    assert ran.code == USAGE
    assert "job store" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("order", "number=1"), "group"),
        (("order", "number=1", "--group", "a", "--delay", "5"), "FIFO"),
        (("resize", "key=a", "--delay", "901"), "900"),
        (("resize", "key=a", "--group", "a b"), "group"),
        (("resize", "--json", '{"key": "' + "x" * 1_100_000 + '"}'), "limit"),
    ],
)
def test_what_sqs_would_refuse_is_wrong_usage(run_here, shell, words, said):
    """Trying again without a change is useless, which exit code 2 says."""
    ran = run_here("enqueue", shell.app, *words)
    assert ran.code == USAGE
    assert said in ran.err


@pytest.mark.parametrize("command", [("enqueue", "resize", "key=a"), ("dlq", "list", "--queue", "images")])
def test_a_missing_queue_is_wrong_usage_and_named_as_sqs_knows_it(run_here, shell, command):
    """With its prefix, which is what somebody looks for in the console."""
    words = [
        *command[:1],
        *(["list"] if command[0] == "dlq" else []),
        shell.app,
        *command[2 if command[0] == "dlq" else 1 :],
    ]
    ran = run_here(*words, "--queue-prefix", "staging-")
    assert ran.code == USAGE
    assert "there is no queue 'staging-images'" in ran.err
    assert "queues apply" in ran.err


def test_a_word_that_is_no_argument_is_not_repeated(run_here, shell):
    """S13: it may be a secret that was written without its name."""
    ran = run_here("enqueue", shell.app, "resize", "key=a", "hunter2")
    assert ran.code == USAGE
    assert "word 2" in ran.err
    assert "hunter2" not in ran.err
