"""What each caller has under way, so that none can starve the rest."""

import asyncio
from collections import Counter

from idstatus_server.access import caller
from idstatus_server.errors import CallerLimitError
from idstatus_server.rpc.rate import Rate

# A caller may make the calls of so many seconds at once.
_BURST = 1.0


class Callers:
    """Counts by caller, for all services together. Who has no name has no limit."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, bool]] = Counter()
        self._rate = Rate(_BURST)

    def check(self, *, stream: bool) -> None:
        """Refuse one more if the caller has as many under way as one caller may.

        Raises:
            CallerLimitError: so it is.
        """
        who = caller.get()
        limit = who.limits.watches if stream else who.limits.in_flight
        if limit and self._counts[who.name, stream] >= limit:
            what = "streams open" if stream else "calls in flight"
            raise CallerLimitError(f"{who.name} has {limit} {what} already", limit=limit)

    def charge(self) -> None:
        """Count a call, or refuse it if its caller calls too often.

        Raises:
            CallerLimitError: so it is.
        """
        who = caller.get()
        if who.limits.rate:
            if self._rate.early(who.name):
                rate = f"{who.limits.rate:g}"
                raise CallerLimitError(f"{who.name} calls more than {rate} a second", limit=rate)
            self._rate.count(who.name, who.limits.rate)

    def add(self, *, stream: bool, by: int) -> None:
        """Count what has begun (1) or ended (-1)."""
        name = caller.get().name
        if name:
            self._counts[name, stream] += by
            if not self._counts[name, stream]:
                del self._counts[name, stream]

    async def pace(self) -> None:
        """Hold up a message of a stream, which counts as a call, until its time has come."""
        who = caller.get()
        if who.limits.rate:
            await asyncio.sleep(self._rate.early(who.name))
            self._rate.count(who.name, who.limits.rate)
