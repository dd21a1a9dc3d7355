"""When to try again after a failure that is expected to pass."""

import math
import random
import time

import grpc

from idstatus.errors import CredentialsExpiredError, RpcError

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0

RESUMABLE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        # The server sends no CANCELLED: a read that the user gave up cancelled the call.
        grpc.StatusCode.CANCELLED,
    }
)

_random = random.SystemRandom()


class Backoff:
    """Pauses that double with every failure in a row, with jitter: by default 0.1 s to 5 s."""

    def __init__(
        self,
        patience: float = math.inf,
        resumable: frozenset[grpc.StatusCode] = RESUMABLE,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self.patience = patience
        """How many seconds of nothing but failures are borne."""
        self._resumable = resumable
        self._longest_pause = longest_pause
        self._failures = 0
        self._failing_since = 0.0

    def succeeded(self) -> None:
        """Forget the failures so far."""
        self._failures = 0

    def pause_after(self, error: RpcError) -> float:
        """Return how many seconds to wait before trying again.

        Raises:
            RpcError: The error itself, if it will not pass or the patience is at its end.
        """
        now = time.monotonic()
        if self._failures == 0:
            self._failing_since = now
        # A stream that went well until its token ran out begins again: perhaps there is a new one.
        renewable = isinstance(error, CredentialsExpiredError) and not self._failures
        passes = renewable or error.code in self._resumable
        if not passes or now - self._failing_since > self.patience:
            raise error
        doublings = min(self._failures, 16)  # past the longest pause, and far from an overflow
        pause = min(self._longest_pause, FIRST_PAUSE * 2.0**doublings)
        self._failures += 1
        # The server's wish is a floor, and the same for everybody: so the jitter comes on top.
        return (error.retry_after or 0.0) + pause * _random.uniform(0.5, 1.0)
