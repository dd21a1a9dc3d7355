"""Who hears of a change: watchers, and runners that wait for work."""

from idstatus_server.watch.arrivals import Arrivals
from idstatus_server.watch.hub import Hub
from idstatus_server.watch.tail import Tail
from idstatus_server.watch.watch import Batch, Position, Watch, WatchOptions

__all__ = ["Arrivals", "Batch", "Hub", "Position", "Tail", "Watch", "WatchOptions"]
