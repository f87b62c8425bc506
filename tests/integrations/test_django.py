"""Django's tasks over sqsjobs: declared and enqueued by Django's interface, run by the project's workers."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integrations.bazaar import ready  # noqa: F401 - models and tasks can be imported from here on

# isort: split
from django.core.exceptions import SynchronousOnlyOperation
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from tests.integrations.bazaar import elsewhere, tasks
from tests.integrations.bazaar.models import Order
from tests.integrations.bazaar.settings import BACKEND

from sqsjobs import App, Discard, MemoryStore, Retry, constant
from sqsjobs.cli.target import load_app
from sqsjobs.errors import ConfigurationError, JobCancelled
from sqsjobs.integrations.django import SQSJobsBackend
from sqsjobs.integrations.django.interface import (
    InvalidTask,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
    task_enqueued,
    task_finished,
    task_started,
)
from sqsjobs.integrations.django.results import result_of
from sqsjobs.job import JobStatus, new_job_id
from sqsjobs.outcome import Failure
from sqsjobs.store.base import JobRecord, PastAttempt
from sqsjobs.testing import LocalServerThread, MemoryApp

TWICE = Retry(max_attempts=2, backoff=constant(1))
WORKED = "sqsjobs.integrations.django:app"
PATH = "tests.integrations.bazaar.tasks"


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("bazaar") / "bazaar.sqlite3"
    connections.settings["default"]["NAME"] = str(path)
    connections.close_all()
    call_command("migrate", run_syncdb=True, verbosity=0)
    yield path
    connections.close_all()


@contextmanager
def configured(**options: Any) -> Iterator[MemoryApp]:
    """Let Django's tasks go over queues in memory, with these OPTIONS."""
    backend = {"BACKEND": BACKEND, "QUEUES": ["default", "mails"], "OPTIONS": {"retry": TWICE} | options}
    with override_settings(TASKS={"default": backend}), MemoryApp(load_app(WORKED)) as memory:
        yield memory


@pytest.fixture
def memory() -> Iterator[MemoryApp]:
    with configured() as memory:
        yield memory
        Order.objects.all().delete()


# Enqueueing and running -----------------------------------------------------------------------------


def test_a_task_is_enqueued_run_and_its_result_looked_up(memory: MemoryApp) -> None:
    sent = tasks.order.enqueue(7, note="for Ada")
    assert (sent.status, sent.args, sent.kwargs) == (TaskResultStatus.READY, [7], {"note": "for Ada"})
    waiting = tasks.order.get_result(sent.id)
    assert (waiting.status, waiting.args, waiting.kwargs, waiting.attempts) == ("READY", [7], {"note": "for Ada"}, 0)
    assert (waiting.started_at, waiting.last_attempted_at, waiting.finished_at) == (None, None, None)
    memory.drain_sync()
    sent.refresh()
    assert (sent.status, sent.return_value, sent.errors) == ("SUCCESSFUL", {"number": 7, "note": "for Ada"}, [])
    assert sent.is_finished
    assert sent.attempts == 1
    assert sent.enqueued_at <= sent.started_at == sent.last_attempted_at <= sent.finished_at <= datetime.now(UTC)
    assert Order.objects.get().number == 7


async def test_a_coroutine_is_enqueued_from_the_event_loop_and_runs_on_one(memory: MemoryApp) -> None:
    await Order.objects.acreate(number=8, note="for Grace")
    sent = await tasks.note.aenqueue(8)
    await memory.drain()
    result = await tasks.note.aget_result(sent.id)
    assert (result.return_value, result.task.queue_name) == ("for Grace", "mails")
    await sent.arefresh()
    assert sent.return_value == "for Grace"
    await Order.objects.all().adelete()


@pytest.mark.parametrize("call", [tasks.pair.enqueue, lambda: tasks.pair.get_result("0" * 16)])
async def test_what_would_block_the_event_loop_says_what_to_await(memory: MemoryApp, call: Callable[[], Any]) -> None:
    with pytest.raises(SynchronousOnlyOperation, match=r"await .*a(enqueue|get_result)\("):
        call()


def test_values_are_what_django_makes_of_them(memory: MemoryApp) -> None:
    sent = tasks.told.enqueue(b"bytes", "text")
    paired = tasks.pair.enqueue()
    assert sent.args == ["bytes", "text"]
    memory.drain_sync()
    paired.refresh()
    assert paired.return_value == [1, "two"]


def test_a_task_is_told_of_its_attempt(memory: MemoryApp) -> None:
    sent = tasks.told.using(queue_name="mails").enqueue("a", "b")
    memory.drain_sync()
    sent.refresh()
    assert sent.return_value == [1, sent.id, "RUNNING", "mails", ["a", "b"], ["a", "b"]]
    assert tasks.told.get_result(sent.id).task.queue_name == "mails"


@pytest.mark.parametrize(("args", "problem"), [((), "missing"), ((1, 2), "too many"), (({1},), "set")])
def test_a_wrong_call_fails_in_the_caller(memory: MemoryApp, args: tuple[Any, ...], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        tasks.order.enqueue(*args)
    assert memory.enqueued() == ()


# Failing --------------------------------------------------------------------------------------------


def test_a_task_that_fails_is_tried_again_and_then_has_failed(memory: MemoryApp) -> None:
    sent = tasks.broken.enqueue()
    memory.drain_sync(allow_failures=True)
    between = tasks.broken.get_result(sent.id)
    assert (between.status, between.attempts, len(between.errors)) == ("READY", 1, 1)
    memory.drain_sync(skip_delays=True, allow_failures=True)
    sent.refresh()
    assert (sent.status, sent.attempts, len(sent.worker_ids)) == ("FAILED", 2, 2)
    assert [error.exception_class for error in sent.errors] == [ValueError, ValueError]
    assert 'raise ValueError("never")' in sent.errors[-1].traceback
    with pytest.raises(ValueError, match="failed"):
        _ = sent.return_value


def test_a_task_that_succeeds_the_second_time_keeps_its_first_error(memory: MemoryApp) -> None:
    sent = tasks.second_time.enqueue()
    memory.drain_sync(skip_delays=True, allow_failures=True)
    sent.refresh()
    assert (sent.status, sent.return_value, sent.attempts) == ("SUCCESSFUL", 2, 2)
    assert [(error.exception_class, error.traceback) for error in sent.errors] == [
        (LookupError, "builtins.LookupError: not yet")
    ]
    assert sent.started_at < sent.last_attempted_at


def test_a_value_without_a_json_form_is_an_error(memory: MemoryApp) -> None:
    sent = tasks.unspeakable.enqueue()
    memory.drain_sync(skip_delays=True, allow_failures=True)
    sent.refresh()
    assert (sent.status, sent.errors[-1].exception_class) == ("FAILED", TypeError)


def test_what_ends_in_another_way_has_failed_for_django(memory: MemoryApp) -> None:
    cancelled, discarded = tasks.pair.enqueue(), tasks.pointless.enqueue()
    memory.app.job(cancelled.id).cancel_sync()
    memory.drain_sync(allow_failures=True)
    for sent, kind in ((cancelled, JobCancelled), (discarded, Discard)):
        sent.refresh()
        assert (sent.status, sent.errors[-1].exception_class) == ("FAILED", kind)


def test_a_crash_after_an_error_repeats_no_error() -> None:
    """The record keeps the last error; the attempt after it left none, and of the first its worker is not known."""
    failure = Failure("builtins.ValueError", "never" * 100, "Traceback …")
    history = (
        PastAttempt(2, "b", 20.0, 21.0, "failed", f"{failure.type}: {failure.message}"[:200]),
        PastAttempt(3, "c", 30.0, 31.0, "crashed"),
    )
    record = JobRecord(
        new_job_id(), f"{PATH}.pair", "default", JobStatus.RETRYING, attempts=3, started_at=30.0, history=history,
        failure=failure, worker="c",
    )  # fmt: skip
    result = result_of(record, tasks.pair, "default", None)
    assert [(error.exception_class, error.traceback) for error in result.errors] == [(ValueError, "Traceback …")]
    assert result.worker_ids == ["", "b", "c"]
    assert [date.timestamp() for date in (result.started_at, result.last_attempted_at)] == [20.0, 30.0]


@pytest.mark.parametrize(
    ("kind", "path"),
    [("sqsjobs.Reject", "sqsjobs.Reject"), ("sqsjobs.CrashLimit", "sqsjobs.JobFailed"), ("shop.Sold", "shop.Sold")],
)
def test_the_class_of_each_error_can_be_imported(kind: str, path: str) -> None:
    """Words of sqsjobs for what is no exception are a failed job."""
    record = JobRecord(new_job_id(), f"{PATH}.pair", "default", JobStatus.FAILED, failure=Failure(kind, "told"))
    (error,) = result_of(record, tasks.pair, "default", None).errors
    assert (error.exception_class_path, error.traceback) == (path, f"{kind}: told")


# Connections ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [tasks.connected, tasks.aconnected])
def test_no_connection_outlives_its_job(memory: MemoryApp, task: Any) -> None:
    tasks.opened.clear()
    task.enqueue()
    memory.drain_sync()
    (opened,) = tasks.opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened.total_changes  # noqa: B018 - it asks the database


async def test_coroutines_have_connections_of_their_own(memory: MemoryApp) -> None:
    """As requests have: what one does in a transaction concerns no other."""
    tasks.opened.clear()
    for _ in range(3):
        await tasks.aconnected.aenqueue()
    await memory.drain()
    assert len(set(map(id, tasks.opened))) == 3


# Signals --------------------------------------------------------------------------------------------


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str, int]]]:
    """Signal, status and attempts, in order; then the receiver fails, which concerns no job."""
    told: list[tuple[str, str, int]] = []

    def receivers() -> Iterator[tuple[Any, Callable[..., None]]]:
        for name, signal in (("enqueued", task_enqueued), ("started", task_started), ("finished", task_finished)):

            def hear(sender: type, task_result: Any, name: str = name, **_: object) -> None:
                assert sender is SQSJobsBackend
                told.append((name, str(task_result.status), task_result.attempts))
                raise RuntimeError("a receiver fails")

            yield signal, hear

    connected = list(receivers())
    for signal, hear in connected:
        signal.connect(hear)
    yield told
    for signal, hear in connected:
        signal.disconnect(hear)


def test_djangos_signals_are_sent(memory: MemoryApp, heard: list[tuple[str, str, int]]) -> None:
    tasks.second_time.enqueue()
    memory.drain_sync(skip_delays=True, allow_failures=True)
    assert heard == [
        ("enqueued", "READY", 0),
        ("started", "RUNNING", 1),
        ("started", "RUNNING", 2),
        ("finished", "SUCCESSFUL", 2),
    ]
    heard.clear()
    tasks.broken.enqueue()
    memory.drain_sync(skip_delays=True, allow_failures=True)
    assert heard[-2:] == [("started", "RUNNING", 2), ("finished", "FAILED", 2)]
    assert [name for name, *_ in heard].count("finished") == 1


# Later ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [timedelta(minutes=5), timedelta(hours=20)])
def test_a_task_runs_at_its_date_and_not_before(memory: MemoryApp, later: timedelta) -> None:
    """Also at one that is further away than SQS delays a message, and hides one."""
    sent = tasks.pair.using(run_after=datetime.now(UTC) + later).enqueue()
    assert tasks.pair.get_result(sent.id).status == "READY"
    memory.drain_sync(skip_delays=True)
    sent.refresh()
    assert (sent.status, sent.attempts) == ("SUCCESSFUL", 1)
    assert timedelta(seconds=-1) < sent.started_at - sent.enqueued_at - later < timedelta(minutes=1)


@pytest.mark.parametrize("options", [{"store": None}, {"tracking": "result"}, {"tracking": "worker"}], ids=str)
def test_a_date_holds_where_the_producer_keeps_no_record(options: dict[str, Any]) -> None:
    """The message says it then."""
    with configured(**options) as memory:
        starts: list[float] = []

        def start(sender: type, **_: object) -> None:
            starts.append(memory.clock.wall())

        task_started.connect(start)
        sent = memory.clock.wall()
        tasks.pair.using(run_after=datetime.now(UTC) + timedelta(hours=2)).enqueue()
        memory.drain_sync(skip_delays=True)
        task_started.disconnect(start)
        assert [7199 <= at - sent < 7260 for at in starts] == [True]


def test_a_date_that_has_passed_is_now(memory: MemoryApp) -> None:
    sent = tasks.pair.using(run_after=datetime.now(UTC) - timedelta(days=1)).enqueue()
    memory.drain_sync()
    sent.refresh()
    assert sent.status == "SUCCESSFUL"


# What there is not ----------------------------------------------------------------------------------


@pytest.mark.parametrize("result_id", ["0" * 16, "nonsense", "../" * 9])
def test_a_result_that_is_not_there(memory: MemoryApp, result_id: str) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        task_backends["default"].get_result(result_id)


def test_a_result_that_is_kept_no_longer_is_not_there(memory: MemoryApp) -> None:
    sent = tasks.pair.enqueue()
    memory.drain_sync()
    memory.advance(timedelta(hours=25))
    with pytest.raises(TaskResultDoesNotExist):
        sent.refresh()


def test_without_a_job_store_there_are_no_results() -> None:
    with override_settings(TASKS={"default": {"BACKEND": BACKEND, "OPTIONS": {"store": None}}}):
        backend = task_backends["default"]
        assert not backend.supports_get_result
        with pytest.raises(NotImplementedError):
            backend.get_result("0" * 16)


def test_a_job_of_the_app_that_is_no_task_of_djangos_is_no_result(memory: MemoryApp) -> None:
    job = memory.app.remote("elsewhere").enqueue_sync()
    with pytest.raises(TaskResultDoesNotExist):
        task_backends["default"].get_result(job.id)


@pytest.mark.parametrize("change", [{"priority": 5}, {"queue_name": "unknown"}, {"queue_name": "mails.fifo"}])
def test_what_sqs_has_not_is_refused_at_the_declaration(memory: MemoryApp, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidTask):
        tasks.pair.using(**change)


def test_a_task_that_no_worker_would_find_is_refused(memory: MemoryApp) -> None:
    with pytest.raises(InvalidTask, match=r"'tests\.integrations\.bazaar\.elsewhere' in TASKS"):
        elsewhere.hidden.enqueue()


# Settings -------------------------------------------------------------------------------------------


def test_the_settings_name_further_modules() -> None:
    with configured(modules=["tests.integrations.bazaar.elsewhere"]) as memory:
        sent = elsewhere.hidden.enqueue()
        memory.drain_sync()
        sent.refresh()
    assert sent.return_value == "found"


mine = App("mine", store=MemoryStore())


def test_the_settings_name_an_app_of_the_projects() -> None:
    with override_settings(TASKS={"default": {"BACKEND": BACKEND, "OPTIONS": {"app": f"{__name__}.mine"}}}):
        assert load_app(WORKED) is mine
        assert f"{PATH}.order" in mine.registry.names
    with override_settings(TASKS={"default": {"BACKEND": BACKEND, "OPTIONS": {"app": mine}}}):
        assert load_app(WORKED) is mine


def test_workers_take_jobs_from_all_queues_of_the_settings(memory: MemoryApp) -> None:
    assert memory.app.registry.queues() == ("default", "mails")


def test_workers_take_jobs_from_every_queue_that_a_module_gives_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where two tasks are of one function, and no QUEUES name the queues."""
    backend = {"BACKEND": BACKEND, "QUEUES": [], "OPTIONS": {"modules": ["tests.integrations.bazaar.elsewhere"]}}
    with override_settings(TASKS={"default": backend}):
        slow, slower = (elsewhere.hidden.using(queue_name=queue) for queue in ("slow", "slower"))
        monkeypatch.setattr(elsewhere, "slow", slow, raising=False)
        monkeypatch.setattr(elsewhere, "slower", slower, raising=False)
        memory = MemoryApp(load_app(WORKED))
        assert memory.app.registry.queues() == ("default", "mails", "slow", "slower")
        with memory:
            sent = [task.enqueue() for task in (elsewhere.hidden, slow, slower)]
            memory.drain_sync()
            for result in sent:
                result.refresh()
    assert [result.return_value for result in sent] == ["found"] * 3


def test_each_alias_has_an_app() -> None:
    with override_settings(TASKS={"a": {"BACKEND": BACKEND}, "b": {"BACKEND": BACKEND, "QUEUES": ["second"]}}):
        assert load_app("sqsjobs.integrations.django:app_b").name == "django-b"
        assert load_app("sqsjobs.integrations.django:app_b").registry.queues() == ("second",)
        with pytest.raises(ConfigurationError, match="name one of app_a, app_b"):
            load_app(WORKED)


@pytest.mark.parametrize(
    ("backend", "problem"),
    [
        ({"OPTIONS": {"stor": "sqlite:///jobs.db"}}, "Did you mean 'store'"),
        ({"OPTIONS": {"store": "nonsense://"}}, "nonsense"),
        ({"OPTIONS": {"modules": "one"}}, r"such as \['one'\]"),
        ({"OPTIONS": {"modules": ["no.such"]}}, "no module 'no'"),
        ({"OPTIONS": {"app": "no.such"}}, "there is no app at 'no.such'"),
        ({"OPTIONS": {"app": f"{__name__}.PATH"}}, "app is an App"),
        ({"OPTIONS": {"app": f"{__name__}.mine", "store": None}}, "said where it is made"),
        ({"OPTIONS": {"retry": 3}}, "retry is a Retry"),
        ({"QUEUES": ["default", "x.fifo"]}, "needs a group"),
        ({"QUEUES": ["default", "no queue"]}, "is no queue"),
    ],
)
def test_manage_check_tells_of_wrong_settings(backend: dict[str, Any], problem: str) -> None:
    with override_settings(TASKS={"default": {"BACKEND": BACKEND} | backend}):
        (message,) = task_backends["default"].check()
    assert message.id.startswith("sqsjobs.E")
    assert re.search(problem, message.msg)


def test_right_settings_pass_the_check(memory: MemoryApp) -> None:
    assert list(task_backends["default"].check()) == []


# A worker of its own --------------------------------------------------------------------------------


def test_a_worker_process_runs_djangos_tasks(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enqueued here, run by ``sqsjobs worker sqsjobs.integrations.django:app`` on what the environment names."""
    root = Path(__file__).parents[2]
    monkeypatch.setenv("BAZAAR_DATABASE", str(database))
    monkeypatch.setenv("SQSJOBS_STORE", f"sqlite:///{tmp_path / 'jobs.db'}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root / "src"), str(root)]))
    with LocalServerThread() as server, override_settings(TASKS={"default": {"BACKEND": BACKEND}}):
        server.create_queues("default", "mails")
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint_url)
        sent = tasks.order.enqueue(9, note="from far")
        command = [
            sys.executable,
            "-m",
            "sqsjobs",
            "worker",
            WORKED,
            "--burst",
            "--wait",
            "1",
        ]
        subprocess.run([*command, "--log-level", "error"], cwd=tmp_path, timeout=60, check=True)
        result = tasks.order.get_result(sent.id)
    assert (result.status, result.return_value) == ("SUCCESSFUL", {"number": 9, "note": "from far"})
    assert Order.objects.filter(number=9).get().note == "from far"


def test_a_worker_without_settings_says_which_are_missing(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    program = f"from sqsjobs.cli.target import load_app; load_app({WORKED!r})"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, text=True, capture_output=True, check=False
    )
    assert "ConfigurationError" in ended.stderr.splitlines()[-1]
    assert "DJANGO_SETTINGS_MODULE=shop.settings" in ended.stderr
