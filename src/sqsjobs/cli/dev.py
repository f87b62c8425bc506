"""``sqsjobs dev``: an app on this machine, with queues, job store and a worker that is started anew on every change."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from sqsjobs.cli.children import Child
from sqsjobs.cli.console import note
from sqsjobs.cli.exits import OK
from sqsjobs.cli.options import DEFAULT_LOGS, AppPath, Backends, Logs, app_path
from sqsjobs.cli.signals import on_stop_signals
from sqsjobs.cli.worker import Platform, Work, create_queues, worker_command
from sqsjobs.errors import ConfigurationError

if TYPE_CHECKING:  # it imports what not every command needs
    from sqsjobs.app import App

__all__ = ["dev"]

_GRACE = 3.0
"""Seconds that running jobs get when the code has changed."""
_WAIT = 2.0
"""Seconds of a long poll: a worker that is started anew waits for the end of the open ones."""


def dev(
    app: AppPath = "",
    /,
    *,
    port: Annotated[int, Parameter(help="The port of the queue server; 0 for any that is free.")] = 9324,
    store: Annotated[
        str, Parameter(help="The job store; by default the app's own, or else one that ends with the command.")
    ] = "",
    watch: Annotated[
        tuple[Path, ...], Parameter(help="A folder to watch for changes; by default the working directory.")
    ] = (),
    concurrency: Annotated[int, Parameter(alias="-c", help="Jobs that run at once.")] = 20,
    logs: Logs = DEFAULT_LOGS,
) -> int:
    """Run an app on this machine, starting it anew on every change.

    A queue server and a worker, and a job store where neither the app nor the
    settings name one: no account, no network, no other program. Queues of the
    app's tasks are made when they are missing.

        sqsjobs dev shop.jobs:app
        sqsjobs dev shop.jobs:app --port 0 --store sqlite:///jobs.db
    """
    from sqsjobs.cli.target import load_app  # noqa: PLC0415 - it imports the app's machinery

    path = app_path(app)
    return asyncio.run(_Dev(path, load_app(path), port, store, watch or (Path.cwd(),), concurrency, logs).run())


@dataclass(slots=True)
class _Dev:
    """The server, and a worker process that comes and goes."""

    path: str
    app: App
    port: int
    store: str
    folders: tuple[Path, ...]
    concurrency: int
    logs: Logs
    _stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _child: Child | None = field(init=False, default=None)

    async def run(self) -> int:
        from sqsjobs.local import LocalServer  # noqa: PLC0415 - with aiohttp

        async with AsyncExitStack() as around:
            around.enter_context(on_stop_signals(self._stop))
            try:
                server = await around.enter_async_context(LocalServer(port=self.port))
            except OSError as problem:
                raise ConfigurationError(
                    f"cannot serve queues on port {self.port}: {problem.strerror}; choose another --port"
                ) from problem
            store = self.store
            if not store and not self.app.names_store:
                store = f"sqlite:///{around.enter_context(_folder())}/jobs.db"
            self.app.configure(endpoint_url=server.endpoint_url)
            await create_queues(self.app)  # before another shell is told of them
            _explain(server.endpoint_url, store)
            await self._work_and_reload(self._command(server.endpoint_url, store))
        return OK

    def _stop(self, reason: str) -> None:
        note(f"{reason}: stopping")
        if self._stopping.is_set() and self._child is not None:
            self._child.send_signal(signal.SIGTERM)  # the second one: at once
        self._stopping.set()

    def _command(self, endpoint_url: str, store: str) -> list[str]:
        return worker_command(
            self.path,
            Work(concurrency=self.concurrency, grace=_GRACE, wait=_WAIT, create_queues=True),
            Platform(),
            Backends(endpoint_url=endpoint_url, store=store or None),
            self.logs,
        )

    async def _work_and_reload(self, command: list[str]) -> None:
        async with aclosing(self._changes()) as changes:
            while not self._stopping.is_set():
                self._child = await Child.start(command)
                if files := await self._until_changed(self._child, changes):
                    note(f"changed: {files}; starting anew", "cyan")

    async def _until_changed(self, child: Child, changes: AsyncGenerator[str, None]) -> str:
        """Let the child work until the code changes, and end it; return what has changed, or nothing for a stop."""
        ended = asyncio.create_task(child.ended())
        changed = asyncio.ensure_future(anext(changes, ""))
        await asyncio.wait([ended, changed], return_when=asyncio.FIRST_COMPLETED)
        if ended.done() and not changed.done():
            note(f"the worker ended with code {ended.result()}; it is started again on the next change", "yellow")
            await asyncio.wait([changed])
        if not ended.done():
            await child.end(within=_GRACE + _WAIT + 3)
        await ended
        return changed.result()

    async def _changes(self) -> AsyncGenerator[str, None]:
        """Yield at every change of a Python file; ends when the command is to stop."""
        from watchfiles import PythonFilter, awatch  # noqa: PLC0415 - only here

        async for changes in awatch(*self.folders, watch_filter=PythonFilter(), stop_event=self._stopping):
            yield ", ".join(sorted({Path(path).name for _, path in changes}))


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="sqsjobs-dev-", ignore_cleanup_errors=True)


def _explain(endpoint_url: str, store: str) -> None:
    """Say what another shell needs; `store` is empty where the program finds its job store by itself."""
    note("The queues are open; in another shell, and in your web application:", "bold")
    note(f"    export AWS_ENDPOINT_URL_SQS={endpoint_url}")
    if store:
        note(f"    export SQSJOBS_STORE={store}")
    note("Ctrl-C ends everything.")
