"""What the program says about an app's backends, and the backends that follow from it and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, Unpack

from sqsjobs.app.layers import callbacks_of, compression_of, encryption_of, signing_of
from sqsjobs.app.session import Backends
from sqsjobs.blobs import Blobs
from sqsjobs.blobs.opening import open_blobs
from sqsjobs.callbacks import Callbacks
from sqsjobs.clock import Clock, CorrectedClock, SystemClock
from sqsjobs.errors import ConfigurationError
from sqsjobs.events import Observer, fan_out
from sqsjobs.sealing import Encryption, Sealing, Signing
from sqsjobs.settings import Settings
from sqsjobs.store.base import JobStore
from sqsjobs.store.opening import open_store
from sqsjobs.store.spilling import SpillingStore
from sqsjobs.store.tracking import Tracking, checked_tracking
from sqsjobs.transport.base import Transport
from sqsjobs.transport.server_time import ServerTime

if TYPE_CHECKING:  # imported by those who administer queues
    from sqsjobs.transport.admin import QueueAdmin

__all__ = ["UNSET", "Plan", "PlanChanges", "Unset", "Whereabouts"]


class _Unset(Enum):
    UNSET = "unset"


Unset: TypeAlias = Literal[_Unset.UNSET]
"""The type of `UNSET`."""

UNSET: Final = _Unset.UNSET
"""Not said, so that the settings decide; None says that there is none."""


class PlanChanges(TypedDict, total=False):
    """What `Plan.changed` takes beside observers."""

    store: str | JobStore | Unset | None
    blobs: str | Blobs | Unset | None
    transport: Transport | None
    queue_prefix: str | None
    endpoint_url: str | None
    region: str | None
    tracking: Tracking | None


class Whereabouts(TypedDict):
    """Where the queues are at SQS."""

    region: str | None
    endpoint_url: str | None
    queue_prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the program says; what it leaves open, the settings say.

    Attributes:
        store: the job store, its URL, or None for none.
        transport: to the queues, or None for SQS itself.
        queue_prefix, endpoint_url, region: of SQS itself.
        tracking: how much of a job is recorded.
        signing: the keys of signatures, or None for none.
        encryption: the keys of encryption, or None for none.
        compress_over: bytes above which an envelope is compressed, or None for never.
        blobs: where large arguments and results are kept, its URL, or None for nowhere.
        callbacks: where callbacks may go, or None for nowhere.
        environment: what envelopes are bound to beside their queue.
        keep_envelopes: whether records keep envelopes.
        observers: hear of everything.
        clock: dates the jobs, and times the workers.
    """

    store: str | JobStore | Unset | None = UNSET
    transport: Transport | None = None
    queue_prefix: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    tracking: Tracking | None = None
    signing: Signing | Unset | None = UNSET
    encryption: Encryption | Unset | None = UNSET
    compress_over: int | Unset | None = UNSET
    blobs: str | Blobs | Unset | None = UNSET
    callbacks: Callbacks | Unset | None = UNSET
    environment: str | None = None
    keep_envelopes: bool = True
    observers: tuple[Observer, ...] = ()
    clock: Clock = field(default_factory=SystemClock)

    def changed(self, observers: Sequence[Observer], **changes: Unpack[PlanChanges]) -> Plan:
        """Return a copy with `observers` added and `changes` made; None changes nothing, but `store`."""
        made: Any = {option: value for option, value in changes.items() if value is not None or option == "store"}
        return replace(self, observers=(*self.observers, *observers), **made)

    def resolve(self, settings: Settings) -> Backends:
        """Return the backends, unopened.

        Raises:
            ConfigurationError: if something said here or in the settings cannot be.
        """
        observer = fan_out(self.observers)
        tracking = checked_tracking(self.tracking or settings.tracking or "full")
        blobs = self.chosen_blobs(settings)
        store = self._store(settings, blobs) if tracking != "off" else None
        transport = self._transport(settings, observer)
        clock = self._clock_by(transport)
        return Backends(
            transport=transport,
            sealing=self._sealing(settings, transport, blobs, clock),
            store=store,
            tracking=tracking if store else "off",
            observer=observer,
            clock=clock,
            keep_envelopes=self.keep_envelopes,
            callbacks=self.chosen_callbacks(settings),
        )

    def names_store(self, settings: Settings) -> bool:
        """Whether it is said here or in the settings which job store there is, be it none."""
        return self.store is not UNSET or settings.store is not None

    def queue_admin(self, settings: Settings) -> QueueAdmin:
        """Return an unopened administration of the queues.

        Raises:
            ConfigurationError: if the program brought a transport of its own.
        """
        from sqsjobs.transport.admin import QueueAdmin  # noqa: PLC0415 - for commands alone

        return QueueAdmin(**self.whereabouts(settings))

    def whereabouts(self, settings: Settings) -> Whereabouts:
        """Return where the queues are at SQS.

        Raises:
            ConfigurationError: if the program brought a transport of its own.
        """
        if self.transport:
            raise ConfigurationError("only queues at SQS can be administered, and this app has a transport of its own")
        return self._whereabouts(settings)

    def chosen_store(self, settings: Settings) -> str | JobStore | None:
        """Return the job store, or its URL, as it is said here or in the settings."""
        return settings.store if self.store is UNSET else self.store

    def chosen_blobs(self, settings: Settings) -> Blobs | None:
        """Return where large arguments and results are kept, as it is said here or in the settings; unopened.

        Raises:
            ConfigurationError: if its URL cannot be.
        """
        chosen = settings.blobs if self.blobs is UNSET else self.blobs
        return open_blobs(chosen, region=self.region or settings.region) if isinstance(chosen, str) else chosen

    def chosen_callbacks(self, settings: Settings) -> Callbacks | None:
        """Return where callbacks may go, as it is said here or in the settings, or None.

        Raises:
            ConfigurationError: if what the settings say cannot be.
        """
        return callbacks_of(settings) if self.callbacks is UNSET else self.callbacks

    def _store(self, settings: Settings, blobs: Blobs | None) -> JobStore | None:
        chosen = self.chosen_store(settings)
        store = open_store(chosen, region=self.region or settings.region) if isinstance(chosen, str) else chosen
        return SpillingStore(store, blobs) if store and blobs else store

    def _transport(self, settings: Settings, observer: Observer) -> Transport:
        if self.transport:
            if self.queue_prefix or self.endpoint_url or self.region:
                raise ConfigurationError("queue_prefix, endpoint_url and region are the transport's: give them to it")
            return self.transport
        from sqsjobs.transport.sqs import SqsTransport, checked_wire  # noqa: PLC0415 - not every app talks to SQS

        wire = checked_wire(settings.wire or "auto")
        return SqsTransport(**self._whereabouts(settings), observer=observer, wire=wire)

    def _clock_by(self, transport: Transport) -> Clock:
        """Return the clock with its dates moved to those of SQS, where the transport knows them."""
        server_time: ServerTime | None = getattr(transport, "server_time", None)
        return CorrectedClock(self.clock, server_time.correction) if server_time else self.clock

    def _sealing(self, settings: Settings, transport: Transport, blobs: Blobs | None, clock: Clock) -> Sealing:
        return Sealing(
            signing=signing_of(settings) if self.signing is UNSET else self.signing,
            encryption=encryption_of(settings) if self.encryption is UNSET else self.encryption,
            compress_over=compression_of(settings) if self.compress_over is UNSET else self.compress_over,
            # The name that others know the queue by; a transport of the program's own may add no prefix at all.
            queue_prefix=getattr(transport, "queue_prefix", ""),
            environment=settings.environment or "" if self.environment is None else self.environment,
            blobs=blobs,
            clock=clock,
        )

    def _whereabouts(self, settings: Settings) -> Whereabouts:
        return {
            "region": self.region or settings.region,
            "endpoint_url": self.endpoint_url or settings.endpoint_url,
            "queue_prefix": settings.queue_prefix or "" if self.queue_prefix is None else self.queue_prefix,
        }
