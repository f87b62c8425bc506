"""What opens and closes: an app's plan, the backends that follow from it, and the session that is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, Unpack

from sqsjobs.app.plan import Plan, PlanChanges, Whereabouts
from sqsjobs.app.portal import Portal
from sqsjobs.app.session import Backends, Session
from sqsjobs.blobs import Blobs
from sqsjobs.callbacks import Callbacks
from sqsjobs.errors import ConfigurationError
from sqsjobs.events import Observer
from sqsjobs.sealing import Sealing
from sqsjobs.settings import Settings
from sqsjobs.store.base import JobStore
from sqsjobs.store.tracking import Tracking
from sqsjobs.transport.base import Transport

if TYPE_CHECKING:  # imported by those who administer queues
    from sqsjobs.transport.admin import QueueAdmin

__all__ = ["Opening"]


class Opening:
    """The side of the app that is configured, opened and closed; it knows no task and no job.

    Args:
        name: for logs and errors.
        plan: what the program says.
    """

    def __init__(self, name: str, plan: Plan) -> None:
        self.name = name
        self._plan = plan
        self._changes: dict[str, str] = {}
        self._backends: Backends | None = None
        self._session: Session | None = None
        self._portal = Portal(f"sqsjobs-{name}", self._new_session)

    async def __aenter__(self) -> Self:
        """Open the app on the running event loop.

        Raises:
            ConfigurationError: if it is open already, or its settings or credentials cannot work.
        """
        if self.is_open:
            raise ConfigurationError(
                f"app {self.name!r} is open already: enter it once, where the program starts, and use it everywhere"
            )
        self._session = session = self._new_session()
        try:
            await session.__aenter__()
        except BaseException:
            self._session = None
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        session = self._opened()
        try:
            await session.__aexit__(*exc_info)
        finally:
            self._session = None

    def configure(self, *, observers: Sequence[Observer] = (), **changes: Unpack[PlanChanges]) -> None:
        """Replace what the app was made with, before it is opened: for commands.

        Args:
            observers: are added to those that there are.
            changes: the constructor's options by these names; None leaves one as it was (but `store`: none).

        Raises:
            ConfigurationError: if it is open.
        """
        self._check_not_open()
        self._follow(self._plan.changed(observers, **changes))
        self._changes |= {option: value for option, value in changes.items() if isinstance(value, str)}

    @contextmanager
    def replanned(self, change: Callable[[Plan], Plan]) -> Iterator[None]:
        """Follow another plan, made of the present one by `change`, until the block is left: for tests.

        Raises:
            ConfigurationError: if it is open.
        """
        self._check_not_open()
        before = self._plan
        self._follow(change(before))
        try:
            yield
        finally:
            self._follow(before)

    def _check_not_open(self) -> None:
        if self.is_open:
            raise ConfigurationError(f"app {self.name!r} is open: configure it before `async with app:`")

    def _follow(self, plan: Plan) -> None:
        self._plan = plan
        self._backends = None
        self._portal.close()

    def close_sync(self) -> None:
        """End the thread that `enqueue_sync` started; the end of the process does it, too."""
        self._portal.close()

    @property
    def is_open(self) -> bool:
        """Whether it is open, on whichever event loop; what `enqueue_sync` uses does not count."""
        return self._session is not None and not self._session.is_left_behind

    @property
    def transport(self) -> Transport:
        """The open transport; `ConfigurationError` where the app is not open."""
        return self._opened().transport

    @property
    def sealing(self) -> Sealing:
        """The layers around envelopes; `ConfigurationError` where the app is not open."""
        return self._opened().sealing

    @property
    def store(self) -> JobStore | None:
        """The open job store, or None if no records are kept; `ConfigurationError` where the app is not open."""
        return self._opened().store

    def unopened_store(self) -> JobStore | None:
        """Return the job store that the app opens, or None, for those who set it up."""
        return self._resolved().store

    @property
    def tracking(self) -> Tracking:
        """How much of a job is recorded; "off" without a job store."""
        return self._resolved().tracking

    @property
    def names_store(self) -> bool:
        """Whether the program or the settings say which job store there is, be it none."""
        return self._plan.names_store(Settings.load())

    @property
    def chosen_store(self) -> str | JobStore | None:
        """The job store, or its URL, as the program or the settings say it; it is not opened."""
        return self._plan.chosen_store(Settings.load())

    @property
    def chosen_blobs(self) -> Blobs | None:
        """Where large arguments and results are kept, as the program or the settings say it; it is not opened."""
        return self._plan.chosen_blobs(Settings.load())

    @property
    def chosen_callbacks(self) -> Callbacks | None:
        """Where callbacks may go, as the program or the settings say it; None for nowhere."""
        return self._plan.chosen_callbacks(Settings.load())

    def whereabouts(self) -> Whereabouts:
        """Return where the queues are at SQS, for which the app need not be open.

        Raises:
            ConfigurationError: if the app was made with a transport of its own.
        """
        return self._plan.whereabouts(Settings.load())

    def queue_admin(self) -> QueueAdmin:
        """Return an unopened administration of this app's queues, for which it need not be open itself.

        It needs rights (CreateQueue, SetQueueAttributes, ListQueues) that producers and workers should not have.

        Raises:
            ConfigurationError: if the app was made with a transport of its own.
        """
        return self._plan.queue_admin(Settings.load())

    def _resolved(self) -> Backends:
        if self._backends is None:
            self._backends = self._plan.resolve(Settings.load())
        return self._backends

    def _new_session(self) -> Session:
        return Session(self.name, self._resolved())

    def _opened(self) -> Session:
        if self._session is None:
            raise ConfigurationError(
                f"app {self.name!r} is not open: use it inside `async with app:`, or use enqueue_sync"
            )
        self._session.check_here()
        return self._session
