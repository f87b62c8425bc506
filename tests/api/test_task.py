"""Declaring tasks: what a task keeps of its function, and options that cannot work failing at once."""

# mypy: disable-error-code="call-overload"
# Much here is what a type checker refuses, and is refused at run time, too.

from __future__ import annotations

import asyncio
import inspect
from datetime import timedelta

import pytest

from sqsjobs import AsyncTask, ConfigurationError, Retry, SyncTask, TaskNotBound, task
from sqsjobs.errors import DelayTooLong, EnqueueRejected, InvalidArguments


@task
async def bare(n: int) -> str:
    """Say n."""
    return str(n)


@task("named", queue="images", timeout=timedelta(minutes=2), retry=Retry(max_attempts=2), on_exhausted="discard")
def plain(n: int, *, twice: bool = False) -> int:
    return n * 2 if twice else n


@task(executor="process")
def heavy() -> None: ...


def test_a_task_has_its_options():
    assert (bare.name, bare.queue, bare.executor, bare.timeout) == ("bare", "default", "loop", None)
    assert (plain.name, plain.queue, plain.executor, plain.timeout) == ("named", "images", "thread", 120.0)
    assert (plain.retry.max_attempts, plain.on_exhausted) == (2, "discard")
    assert (bare.retry.max_attempts, bare.on_exhausted) == (5, "dead-letter")
    assert heavy.executor == "process"
    assert isinstance(bare, AsyncTask)
    assert isinstance(plain, SyncTask)
    assert repr(plain) == "<SyncTask 'named' on queue 'images'>"


async def test_a_task_called_directly_is_its_function():
    assert await bare(3) == "3"
    assert plain(3, twice=True) == 6


def test_a_task_looks_like_its_function():
    assert bare.__doc__ == "Say n."
    assert bare.__name__ == "bare"  # type: ignore[attr-defined]
    assert str(inspect.signature(bare)) == "(n: 'int') -> 'str'"


def test_attributes_of_the_function_do_not_overwrite_the_tasks():
    def function(): ...

    function.queue = "elsewhere"  # type: ignore[attr-defined]
    assert task(function).queue == "default"


def lambda_task():
    return task(lambda: None)


def local_process_task():
    @task(executor="process")
    def local(): ...


async def coroutine(): ...
async def async_generator():
    yield 1


def generator():
    yield 1


def function(): ...


class Callable:
    def __call__(self): ...


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda_task, "'<lambda>' is no name"),
        (local_process_task, "another process can import"),
        (lambda: task(name="no spaces")(function), "is no name"),
        (lambda: task(name="x" * 129)(function), "is no name"),
        (lambda: task(queue="no/slash")(function), "is no queue"),
        (lambda: task(queue="x" * 81)(function), "is no queue"),
        (lambda: task(queue="x" * 76 + ".fifo")(function), "is no queue"),
        (lambda: task(queue="http://")(function), "is no queue"),
        (lambda: task(queue=".fifo")(function), "is no queue"),
        (lambda: task(timeout=11 * 3600 + 1)(function), "at most 11 hours"),
        (lambda: task(timeout=0)(function), "more than 0"),
        (lambda: task(timeout=-1)(function), "from 0 up"),
        (lambda: task(timeout="60")(function), "number of seconds"),
        (lambda: task(retry=3)(function), r"Retry\(\.\.\.\)"),
        (lambda: task(executor="fiber")(function), "executor is one of"),
        (lambda: task(executor="loop")(coroutine), "executor is one of"),
        (lambda: task(executor="thread")(coroutine), "runs on the event loop"),
        (lambda: task(executor="process")(coroutine), "runs on the event loop"),
        (lambda: task(on_exhausted="forget")(function), "on_exhausted is one of"),
        (lambda: task(generator), "is a generator"),
        (lambda: task(async_generator), "is a generator"),
        (lambda: task(Callable), "made of a function"),
        (lambda: task(Callable()), "made of a function"),
        (lambda: task(bare), "is a task already"),
    ],
)
def test_what_cannot_work_fails_at_the_declaration(declare, problem):
    """R21 for the timeout: SQS ends every lease after 12 hours."""
    with pytest.raises(ConfigurationError, match=problem):
        declare()


def test_an_option_that_does_not_exist_fails_at_the_declaration():
    with pytest.raises(ConfigurationError, match=r"a task has no option 'quue'.*Did you mean 'queue'"):
        task(quue="images")(function)


@pytest.mark.parametrize(
    "queue",
    [
        "a",
        "x" * 80,
        "x" * 75 + ".fifo",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/images",
        "http://localhost:9324/0/q.fifo",
    ],
)
def test_queues_are_names_or_urls(queue):
    assert task(queue=queue)(function).queue == queue


async def test_a_task_that_no_app_has_included_says_what_to_do():
    with pytest.raises(TaskNotBound, match=r"@app\.task.*app\.include"):
        await bare.enqueue(1)
    with pytest.raises(TaskNotBound):
        await asyncio.to_thread(bare.enqueue_sync, 1)


# How a call is sent ---------------------------------------------------------------------------------


def test_a_call_is_a_checked_value():
    call = plain.using(delay=timedelta(seconds=90), group="tenant", unique="u", headers={"a": "1"}).call(3, twice=True)
    assert (call.task, call.queue, call.arguments) == ("named", "images", b'{"n":3,"twice":true}')
    assert (call.delay, call.group, call.unique, call.headers) == (90.0, "tenant", "u", {"a": "1"})
    with pytest.raises(InvalidArguments, match="argument 'n'"):
        plain.call("three")  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments, match="missing a required argument"):
        plain.call()  # type: ignore[call-arg]


def test_using_gives_a_copy_and_adds_to_what_was_chosen_before():
    copy = plain.using(queue="other", headers={"a": "1"}).using(delay=5, headers={"b": "2"})
    assert isinstance(copy, SyncTask)
    assert (copy.options.queue, copy.options.delay, copy.options.headers) == ("other", 5.0, {"a": "1", "b": "2"})
    assert (plain.options.queue, plain.options.delay, plain.options.headers) == ("images", 0.0, {})
    assert copy.name == plain.name
    with pytest.raises(TypeError):
        copy.options.headers["c"] = "3"  # type: ignore[index]


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"delay": 901}, DelayTooLong, "900 s"),
        ({"delay": timedelta(hours=1)}, DelayTooLong, "EventBridge"),
        ({"delay": -1}, ConfigurationError, "from 0 up"),
        ({"delay": float("nan")}, ConfigurationError, "from 0 up"),
        ({"delay": "60"}, ConfigurationError, "number of seconds"),
        ({"group": ""}, EnqueueRejected, "1 to 128"),
        ({"group": "x" * 129}, EnqueueRejected, "1 to 128"),
        ({"group": "with space"}, EnqueueRejected, "1 to 128"),
        ({"unique": ""}, ConfigurationError, "1 to 256 bytes"),
        ({"unique": "é" * 129}, ConfigurationError, "1 to 256 bytes"),
        ({"unique": "\ud800"}, ConfigurationError, "UTF-8"),
        ({"queue": "no such/queue"}, ConfigurationError, "is no queue"),
        ({"headers": {"a": 1}}, ConfigurationError, "header 'a' is a text"),
        ({"headers": {1: "a"}}, ConfigurationError, "header's name is a text"),
        ({"headers": {"a": "\udfff"}}, ConfigurationError, "UTF-8"),
        ({"headers": {"a": "x" * 8192}}, ConfigurationError, "8,193 bytes"),
    ],
)
def test_what_cannot_be_sent_fails_when_it_is_said(options, error, problem):
    with pytest.raises(error, match=problem):
        plain.using(**options)


def test_fifo_queues_take_a_group_and_no_delay():
    ordered = plain.using(queue="orders.fifo")
    with pytest.raises(EnqueueRejected, match="every job needs a group"):
        ordered.call(1)
    with pytest.raises(EnqueueRejected, match="cannot delay"):
        ordered.using(group="g", delay=1).call(1)
    assert ordered.using(group="g").call(1).group == "g"


def test_a_delay_of_a_quarter_of_an_hour_is_allowed():
    assert plain.using(delay=timedelta(minutes=15)).call(1).delay == 900
