"""Canaries: unique texts in arguments, results, errors, headers, the environment and receipt handles.

Jobs live through everything that can become of them, in worker processes with every format and level of logs, and all
that is printed, served and annotated is searched for them.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from tests.canaries import canary
from tests.cli.conftest import Ran, Shell
from tests.cli.test_worker import ask, port, until

from sqsjobs.cli.exits import FAILED, OK, USAGE
from sqsjobs.testing.server_thread import LocalServerThread
from sqsjobs.transport.base import OutgoingMessage
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.model import receiving

__all__ = ["port"]  # a fixture

CANARIES = {what: canary(what) for what in ("ARG", "PLAIN", "HEADER", "RESULT", "ENV", "KEY")}
PIN = str(secrets.randbelow(10**12) + 10**12)

APP = '''
"""An app whose observer prints every event, and whose tasks say what they know wherever they can."""

import os
import sys
from dataclasses import dataclass
from sqsjobs import App, Discard, Reject, Retry, RetryAfter, Secret, constant

app = App("shop", observers=[lambda event: print(repr(event), file=sys.stderr, flush=True)])
once = Retry(max_attempts=1)


@dataclass
class Login:
    user: str
    password: Secret[str]
    pin: Secret[int] = 0


@app.task(queue="mails", retry=Retry(max_attempts=2, backoff=constant(0.05)), redact=("note",))
async def log_in(login: Login, how: str = "", note: str = "", plain: str = "") -> Secret[str]:
    said = f"{login.password!r}, {login.pin} and {note}"
    match how:
        case "raise":
            raise ValueError(said) from KeyError(login.password)
        case "reject":
            raise Reject(said)
        case "retry":
            raise RetryAfter(0, said)
        case "discard":
            raise Discard(said)
        case "exit":
            raise SystemExit(said)
    return os.environ["CANARY_RESULT"]


@app.task(queue="mails", retry=once)
def in_thread(password: Secret[str]) -> None:
    raise OSError(password)


@app.task(queue="mails", retry=once, executor="process")
def in_process(password: Secret[str]) -> None:
    raise OSError(password)


@app.task(queue="mails", retry=once, executor="process")
def dies(password: Secret[str]) -> None:
    os._exit(3)


@app.task(queue="mails")
async def careless(plain: str) -> str:
    """Nothing of it is marked, and nothing of it goes wrong."""
    return os.environ["CANARY_RESULT"]
'''


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every receipt handle that the server gives out."""
    given: list[str] = []
    write = receiving.write_handle  # type: ignore[attr-defined]  # the name by which it is called there

    def writing(*words: str | int) -> str:
        given.append(write(*words))  # type: ignore[arg-type]
        return given[-1]

    monkeypatch.setattr(receiving, "write_handle", writing)
    return given


@pytest.fixture
def canaries(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The shell's app is the talkative one, and its environment is full of secrets."""
    (shell.folder / f"{shell.module}.py").write_text(APP)
    variables = {
        "CANARY_RESULT": CANARIES["RESULT"],
        "CANARY_ENV": CANARIES["ENV"],
        "CANARY_HEADER": CANARIES["HEADER"],
        "AWS_ACCESS_KEY_ID": "AKIACANARY",
        "AWS_SECRET_ACCESS_KEY": CANARIES["ENV"],
        "AWS_SESSION_TOKEN": CANARIES["ENV"],
        "SQSJOBS_SIGNING_KEYS": f"hmac:canary:{KEY}",
        "SQSJOBS_REQUIRE_SIGNATURE": "false",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
        shell.environment[name] = value
    return shell


def arguments(how: str) -> str:
    login = {"user": "ann", "password": CANARIES["ARG"], "pin": int(PIN)}
    return json.dumps({"login": login, "how": how, "note": CANARIES["ARG"], "plain": CANARIES["PLAIN"]})


def forms(secret: str) -> set[str]:
    """A secret as it is, backwards, and as others write it, also in the middle of more: in hexadecimal and base64."""
    whole = secret.encode()
    wholly_inside = [whole[skipped:][: (len(whole) - skipped) // 3 * 3] for skipped in range(3)]  # groups of base64
    encoded = {encode(part).decode() for part in wholly_inside for encode in (b64encode, urlsafe_b64encode)}
    return {secret, secret[::-1], whole.hex(), whole.hex().upper()} | encoded


def hits(text: str, handles: list[str]) -> list[str]:
    """Which canaries are in a text, in any form."""
    return [form for it in (*CANARIES.values(), PIN, *handles) for form in forms(it) if form in text]


KEY = urlsafe_b64encode(CANARIES["KEY"].encode() + bytes(32)).decode().rstrip("=")
"""As it is configured."""


@pytest.mark.parametrize("before", [b"", b"x", b"xy", b"xyz"])
@pytest.mark.parametrize("write", [b64encode, urlsafe_b64encode, bytes.hex, lambda it: it.hex().upper(), bytes.decode])
def test_a_secret_is_seen_in_every_form_and_in_the_middle_of_more(before: bytes, write: Callable[[bytes], Any]):
    """S13: the key as it is configured among them, of which the secret is but the beginning."""
    assert hits(f"key={KEY}", [])
    assert hits(KEY.rstrip("A"), [])
    for secret in CANARIES.values():
        assert hits(f"<{write(before + secret.encode() + bytes(3))}>", [])
    assert not hits(f"<{write(before)}> hmac:canary:[hidden]", [])


class Life:
    """What is done and seen at the command line."""

    def __init__(self, shell: Shell, run_here: Callable[..., Ran]) -> None:
        self._shell = shell
        self._run = run_here
        self.seen: dict[str, str] = {}

    def does(self, *words: str, expect: int = OK, shown: str = "") -> str:
        ran = self._run(*words, shown=[shown])
        assert ran.code == expect, ran.err
        self.seen[f"{len(self.seen)}: {' '.join(words[:2])}"] = ran.out + ran.err
        return ran.out

    def enqueue(self, task: str, json_text: str, expect: int = OK) -> str:
        return self.does("enqueue", self._shell.app, task, "--json", json_text, expect=expect).strip()

    def enqueue_all(self, *hows: str) -> dict[str, str]:
        """A job for each of these ways to end; their ids."""
        password = json.dumps({"password": CANARIES["ARG"]})
        return {how: self.enqueue(*((how, password) if how in TASKS else ("log_in", arguments(how)))) for how in hows}

    def works(self, server: LocalServerThread, port: int, *options: str) -> None:
        """Work until the queue is empty; what is printed and served is seen."""
        log = self._shell.folder / f"worker-{len(self.seen)}.log"
        address = ("--metrics-port", str(port), "--metrics-host", "127.0.0.1", "--wait", "1")
        command = [sys.executable, "-m", "sqsjobs", "worker", self._shell.app, *address, *options]
        with (
            log.open("w") as file,
            subprocess.Popen(
                command, cwd=self._shell.folder, env=self._shell.environment, stdout=file, stderr=file
            ) as worker,
        ):
            try:
                until(lambda: not server.sqs.peek("mails"))
                for path in ("/metrics", "/readyz", "/livez"):
                    self.seen[f"{options}: {path}"] = ask(port, path)[1]
            finally:
                worker.terminate()
        self.seen[f"{options}: log"] = log.read_text()


HOWS = ("", "raise", "reject", "retry", "discard", "exit")
TASKS = ("in_thread", "in_process", "dies")


def test_no_canary_is_seen(canaries: Shell, run_here, server, handles, port: int):
    """S13, I16: through the whole life of jobs of every kind, at the command line, in workers, metrics and letters."""
    life, app = Life(canaries, run_here), canaries.app
    life.enqueue("log_in", json.dumps({"login": CANARIES["ARG"], "note": [CANARIES["ARG"]]}), expect=USAGE)
    life.does("enqueue", app, "log_in", CANARIES["ARG"], expect=USAGE)
    subprocess.run([sys.executable, "-c", WITH_HEADERS, app.partition(":")[0]], env=canaries.environment, check=True)
    asyncio.run(send_by_hand(server))
    life.enqueue("careless", json.dumps({"plain": CANARIES["PLAIN"]}))
    jobs = life.enqueue_all(*HOWS, *TASKS)
    life.works(server, port, "--log-level", "debug", "--log-format", "json")
    life.enqueue_all("", "raise", "in_thread")
    life.works(server, port, "--log-level", "info", "--log-format", "pretty", "--processes", "2")

    life.seen["annotations"] = notes(server)
    for how, job_id in jobs.items():
        life.does("job", job_id, "--app", app, expect=OK if how in ("", "discard") else FAILED)
    life.does("dlq", "list", app, "--queue", "mails")
    for job_id in (jobs["in_thread"], "canary-by-hand-misfit", "canary-by-hand-unknown"):
        assert "arguments" in life.does("dlq", "show", app, job_id, "--queue", "mails", "--arguments")
    show = ("dlq", "show", app, jobs["reject"], "--queue", "mails", "--arguments", "--json")
    shown = json.loads(life.does(*show, shown="canaryPLAIN"))
    # Nothing declares it secret, and it was asked for.
    plain = shown["arguments"]["plain"]
    assert plain == CANARIES["PLAIN"]
    life.does("dlq", "redrive", app, "--queue", "mails", "--all", "--yes", expect=FAILED)
    life.does("queues", "stats", app)
    life.does("iam", app, "--role", "worker", "--account", "111122223333", "--region", "eu-west-1")

    everything = "".join(life.seen.values())
    for told in ("job failed", "job rejected", "message dead-lettered", "sqsjobs_jobs_ended_total", "[hidden]"):
        assert told in everything
    assert handles
    found = {where: hits(text.replace(f'"plain":"{plain}"', ""), handles) for where, text in life.seen.items()}
    assert not {where: canaries for where, canaries in found.items() if canaries}


WITH_HEADERS = """
import asyncio, importlib, os, sys

module = importlib.import_module(sys.argv[1])

async def main():
    async with module.app:
        await module.careless.using(headers={"authorization": os.environ["CANARY_HEADER"]}).enqueue("x")

asyncio.run(main())
"""


async def send_by_hand(server: LocalServerThread) -> None:
    """What no producer of ours sends: arguments that do not fit, an envelope that is none, a task that is gone."""
    misfit = {"sqsjobs": 1, "id": "canary-by-hand-misfit", "task": "log_in", "args": {"login": [CANARIES["ARG"]]}}
    unknown = {"sqsjobs": 1, "id": "canary-by-hand-unknown", "task": "gone", "args": {"token": CANARIES["ARG"]}}
    async with MemoryTransport(server.sqs) as transport:
        await transport.send("mails", [OutgoingMessage(json.dumps(misfit)), OutgoingMessage(json.dumps(misfit)[:-3])])
        await transport.send("mails-dlq", [OutgoingMessage(json.dumps(unknown))])


def notes(server: LocalServerThread) -> str:
    """What dead letters say beside their bodies."""
    return "".join(str(letter.attributes) for letter in server.sqs.peek("mails-dlq"))
