"""What the services stand on."""

from dataclasses import dataclass

from idstatus_server.engine import Ledger
from idstatus_server.limits import Limits
from idstatus_server.observe import Observer
from idstatus_server.store.base import Clock, Store
from idstatus_server.tracing import Tracer
from idstatus_server.watch import Arrivals, Hub


@dataclass(frozen=True, slots=True)
class Patience:
    """How long calls and streams are borne with, in seconds.

    ``unbegun`` is for calls that gRPC has received and we had no time to begin: whole seconds.
    """

    unbegun: int
    slow_watcher: float
    max_age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the services stand on."""

    store: Store
    ledger: Ledger
    hub: Hub
    arrivals: Arrivals
    clock: Clock
    limits: Limits
    patience: Patience
    observer: Observer
    tracer: Tracer
