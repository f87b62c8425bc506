"""Tasks: declared functions that can be enqueued, with the checks of their options.

`task` declares one in a module that knows no app; `App.task` is the same decorator and binds it, too.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any, Final, Generic, Literal, ParamSpec, Protocol, Self, TypeVar, overload

from sqsjobs.codec import TaskCodec
from sqsjobs.errors import ConfigurationError, TaskNotBound, UnknownTask
from sqsjobs.handle import JobHandle
from sqsjobs.hints import check_options
from sqsjobs.job import Call
from sqsjobs.retry import Retry
from sqsjobs.sending import Sending, check_fifo
from sqsjobs.task_options import OnExhausted, TaskOptions, executor_of
from sqsjobs.transport.base import is_fifo

__all__ = [
    "AsyncTask",
    "Declare",
    "Sender",
    "SyncTask",
    "Task",
    "TaskDecorator",
    "remote_task",
    "task",
]

P = ParamSpec("P")
R = TypeVar("R")


class Sender(Protocol):
    """What a task needs to enqueue its calls: the app that it is bound to."""

    async def send_call(self, call: Call[R]) -> JobHandle[R]:
        """Send a call and return the handle of its job."""
        ...

    def send_call_sync(self, call: Call[R]) -> JobHandle[R]:
        """Do the same for a caller without an event loop."""
        ...


class Task(Generic[P, R]):
    """A function that can be called here, or enqueued to be run by a worker. Made by `task` or `App.task`.

    Attributes:
        name: under which messages name it.
        queue: where its jobs go, unless `using` says otherwise.
        function: what was decorated.
        codec: carries its arguments and result.
        retry: its retry policy.
        timeout: seconds an attempt may take, or None.
        executor: where it runs: "loop", "thread" or "process".
        on_exhausted: "dead-letter" or "discard".
        options: how its next call is sent; `using` gives copies with others.
    """

    def __init__(self, function: Callable[P, Any], options: TaskOptions, codec: TaskCodec | None = None) -> None:
        self.name: str = options.name
        self.queue: str = options.queue
        self.retry: Retry = options.retry
        self.timeout: float | None = options.timeout
        self.on_exhausted: OnExhausted = options.on_exhausted
        self.function = function
        self.executor = executor_of(function, options)
        self.codec: TaskCodec = codec or TaskCodec.of(function, options.name, options.redact)
        self.options: Sending = Sending(options.queue)
        self._binding = _Binding()
        described: Any = self  # its name, docstring and signature are the function's
        functools.update_wrapper(described, function, updated=())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} on queue {self.options.queue!r}>"

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Send a call to the queue, and return once SQS has accepted it.

        Raises:
            InvalidArguments: if the call does not fit the signature.
            TaskNotBound: if no app has included the task.
            EnqueueRejected: if SQS, or one of its limits, refused the job.
            EnqueueUncertain: if no answer came: the job may or may not run.
            TransportError: if SQS could not be asked; the job will not run.
            NoJobStore: if `unique` is used without a job store.
            StoreError: if the job could not be recorded; it was not sent.
        """
        return await self._sender().send_call(self.call(*args, **kwargs))

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Do what `enqueue` does, from code without an event loop, in any thread.

        Raises:
            ConfigurationError: inside a running event loop, which it would block.
        """
        return self._sender().send_call_sync(self.call(*args, **kwargs))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Return a checked call as a value, for `App.enqueue_many`; nothing is sent.

        Raises:
            InvalidArguments: if it does not fit the signature.
            EnqueueRejected: if SQS would refuse its options: a delay, or no group, on a FIFO queue.
        """
        options = self.options
        if is_fifo(options.queue):
            check_fifo(options)
        return Call(
            task=self.name,
            queue=options.queue,
            arguments=self.codec.encode_call(args, kwargs),
            delay=options.delay,
            group=options.group,
            unique=options.unique,
            headers=options.headers,
            callback=options.callback,
        )

    def using(
        self,
        *,
        queue: str | None = None,
        delay: timedelta | float | None = None,
        group: str | None = None,
        unique: str | None = None,
        headers: Mapping[str, str] | None = None,
        callback: str | None = None,
    ) -> Self:
        """Return a copy of the task whose calls are sent in another way; what is not given stays as it was.

        Args:
            queue: another queue, by name or URL.
            delay: a `timedelta`, or seconds, before the job may start; up to 15 minutes, not on FIFO queues.
            group: the message group (FIFO), or the tenant of a fair queue.
            unique: a key that at most one unfinished job of this task has; enqueueing it again returns the
                handle of the job that is there. Needs a job store.
            headers: texts that travel beside the arguments; added to those that are there.
            callback: a URL to which the job's outcome is posted, signed, when it has ended; the app's `Callbacks` say
                where callbacks may go.

        Raises:
            ConfigurationError: if one of them cannot be.
            EnqueueRejected: if one of them is beyond a limit of SQS (`DelayTooLong`), or no URL of a callback
                (`CallbackRefused`).
        """
        twin = copy.copy(self)
        twin.options = self.options.changed(
            queue=queue, delay=delay, group=group, unique=unique, headers=headers, callback=callback
        )
        return twin

    def bind(self, sender: Sender) -> None:
        """Let `sender` send this task's calls, and those of its copies.

        Raises:
            ConfigurationError: if it is bound to another: a task belongs to at most one app.
        """
        if not self.may_belong_to(sender):
            raise ConfigurationError(
                f"task {self.name!r} belongs to {self._binding.sender!r} already, and a task belongs to at most one app"
            )
        self._binding.sender = sender

    def may_belong_to(self, sender: Sender) -> bool:
        """Whether it is bound to no other."""
        return self._binding.sender in (None, sender)

    def _sender(self) -> Sender:
        if self._binding.sender is None:
            raise TaskNotBound(self.name)
        return self._binding.sender


class AsyncTask(Task[P, R]):
    """A task made of an ``async def``; it runs on the worker's event loop."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the function itself: nothing is enqueued."""
        coroutine: Coroutine[Any, Any, R] = self.function(*args, **kwargs)
        return coroutine


class SyncTask(Task[P, R]):
    """A task made of a plain function; it runs in a thread, or in a process of its own."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: nothing is enqueued."""
        result: R = self.function(*args, **kwargs)
        return result


class _Binding:
    """Shared by a task and its copies, so that a copy made before `include` is bound by it, too."""

    __slots__ = ("sender",)

    def __init__(self) -> None:
        self.sender: Sender | None = None


# Declaring ------------------------------------------------------------------------------------------


class TaskDecorator(Protocol):
    """Makes a task of a function."""

    # The overloads overlap, and the first that fits wins, which is what is meant.
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...


class Declare:
    """The decorator `task`: makes a task of a function, with or without options, and tells `declared` of it.

    The options, wrong ones of which (and signatures that cannot work) raise `ConfigurationError`:

    - `name`: under which messages name the task; by default the function's name, without its module, so that
      moving the function strands no jobs.
    - `queue`: where its jobs go: a name or a URL.
    - `retry`: how often, and when, a failed attempt is followed by another.
    - `timeout`: how long an attempt may take, as a `timedelta` or in seconds; up to 11 hours.
    - `executor`: "auto" runs an ``async def`` on the event loop and a plain function in a thread; "process" runs a
      plain function in a process of its own, which can be killed.
    - `on_exhausted`: what becomes of a job whose attempts are used up.
    - `redact`: names of parameters that nobody is shown, as those are that are annotated ``Secret[...]``.
    """

    def __init__(self, declared: Callable[[Task[..., Any]], None]) -> None:
        self._declared = declared

    # The overloads overlap, and the first that fits wins, which is what is meant.
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...
    @overload
    def __call__(
        self,
        name: str | None = None,
        *,
        queue: str = "default",
        retry: Retry = ...,
        timeout: timedelta | float | None = None,
        executor: Literal["auto", "thread", "process"] = "auto",
        on_exhausted: OnExhausted = "dead-letter",
        redact: Collection[str] = (),
    ) -> TaskDecorator: ...

    def __call__(self, name: Callable[..., Any] | str | None = None, **options: Any) -> Any:
        check_options(options, _OPTIONS, "a task")
        if callable(name):
            return self._make(name, name=None)
        return functools.partial(self._make, name=name, **options)

    def _make(self, function: Callable[..., Any], *, name: str | None, **options: Any) -> Task[..., Any]:
        _check_function(function)
        cls: type[Task[..., Any]] = AsyncTask if inspect.iscoroutinefunction(function) else SyncTask
        made = cls(function, TaskOptions(name=name or function.__name__, **options))
        self._declared(made)
        return made


_OPTIONS: Final = tuple(field.name for field in fields(TaskOptions))

task: Final = Declare(lambda _: None)
"""Declares a task in a module that knows no app; `App.include` binds it. `Declare` has the options."""


def remote_task(name: str, queue: str) -> AsyncTask[..., Any]:
    """Return a task whose code lives elsewhere: it can be enqueued by argument names, and not be run here.

    Raises:
        ConfigurationError: if the name or the queue cannot be.
    """

    async def elsewhere(**_: object) -> Any:
        raise UnknownTask(name)

    return AsyncTask(elsewhere, TaskOptions(name=name, queue=queue), TaskCodec.untyped(name))


def _check_function(function: object) -> None:
    if isinstance(function, Task):
        raise ConfigurationError(f"{function.name!r} is a task already: decorate the function once")
    if not callable(function) or isinstance(function, type) or not hasattr(function, "__qualname__"):
        raise ConfigurationError(f"a task is made of a function, not of {function!r}: wrap it in a def")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"{function.__qualname__} is a generator, which has no one result: it cannot be a task"
        )
