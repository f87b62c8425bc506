"""The tasks of an app by name: the only way from a message to a function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from sqsjobs.errors import ConfigurationError
from sqsjobs.task import Sender, Task

__all__ = ["Registry", "tasks_in"]


class Registry:
    """Tasks by their exact name. Nothing is ever imported because a message says so."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task[..., Any]] = {}
        self._queues: set[str] = set()
        self._own: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"<Registry: {', '.join(self.names) or 'no tasks'}>"

    def __iter__(self) -> Iterator[Task[..., Any]]:
        return iter(tuple(self._tasks.values()))

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: Task[..., Any]) -> None:
        """Add a task; adding it (or a copy of it) again changes nothing.

        Raises:
            ConfigurationError: if another function has its name.
        """
        known = self._tasks.setdefault(task.name, task)
        if known.function is not task.function:
            raise ConfigurationError(
                f"two tasks are called {task.name!r}, {_place(known)} and {_place(task)}: give one of them a name=..."
            )

    def serve(self, task: Task[..., Any], *, everywhere: bool) -> None:
        """Add a task of the framework's own, or exchange it; one that is served `everywhere` names no queue.

        Raises:
            ConfigurationError: if another function has its name.
        """
        known = self._tasks.get(task.name)
        if known is not None and known.name not in self._own:
            self.add(task)
        self._tasks[task.name] = task
        self._own[task.name] = everywhere

    def get(self, name: str) -> Task[..., Any] | None:
        """Return the task of that exact name, or None."""
        return self._tasks.get(name)

    @property
    def declared(self) -> tuple[Task[..., Any], ...]:
        """The tasks of the app, without the framework's own."""
        return tuple(task for task in self._tasks.values() if task.name not in self._own)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tasks, sorted."""
        return tuple(sorted(self._tasks))

    def name_queues(self, queues: Iterable[str]) -> None:
        """Add queues that no task names, and jobs are sent to by `Task.using`."""
        self._queues.update(queues)

    def queues(self) -> tuple[str, ...]:
        """Return the queues that the tasks name, and those named beside them, each once, sorted."""
        return tuple(
            sorted({task.queue for task in self._tasks.values() if not self._own.get(task.name)} | self._queues)
        )

    def resolve(self) -> None:
        """Read all annotations, those that named what did not exist at the declaration included.

        Raises:
            ConfigurationError: if one still names what does not exist, or has no JSON form.
        """
        for task in self._tasks.values():
            task.codec.resolve()


def tasks_in(given: Task[..., Any] | ModuleType, sender: Sender) -> list[Task[..., Any]]:
    """Return the task, or the module's tasks that `sender` may send: those that are bound to no other.

    Raises:
        ConfigurationError: if there is none.
    """
    match given:
        case Task():
            return [given]
        case ModuleType():
            found = [value for value in vars(given).values() if isinstance(value, Task) and value.may_belong_to(sender)]
            if not found:
                raise ConfigurationError(f"module {given.__name__!r} has no tasks that {sender!r} could include")
            return found
        case _:
            raise ConfigurationError(f"include() takes tasks and modules, not {given!r}")


def _place(task: Task[..., Any]) -> str:
    return f"{task.function.__module__}.{task.function.__qualname__}"
