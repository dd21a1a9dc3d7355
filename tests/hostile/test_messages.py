"""Hostile requests on every method: each is answered or refused, and the server stays as it was.

The number of requests is an option, --messages; so is --seed, by which a failure is repeated.
"""

import time
from collections import Counter
from collections.abc import Callable

from hostile.footprint import footprint
from hostile.fuzzer import Fuzzer
from hostile.neighbour import Neighbour
from hostile.soundness import Story, newest_token

from harness import ServerProcess

# Each part has a server and a store of its own, so that what lists the store does not grow dear.
_PART = 50_000
# A server's memory settles in the first messages; afterwards it may grow by so many MiB, what
# the store keeps in memory included.
_WARM_UP, _GROWTH = 0.2, 48.0


def test_hostile_requests_hurt_nobody(
    start_server: Callable[..., ServerProcess], messages: int, seed: int
) -> None:
    codes: Counter[str] = Counter()
    for first in range(0, messages, _PART):
        numbers = range(first, min(first + _PART, messages))
        began = time.monotonic()
        server = start_server()
        start = newest_token(server.address)
        fuzzer = Fuzzer(server.address, seed)
        with Neighbour(server.address) as neighbour:
            middle = numbers[int(len(numbers) * _WARM_UP)]
            fuzzer.run(range(numbers.start, middle))
            warm = footprint(server)
            fuzzer.run(range(middle, numbers.stop))
        after = footprint(server)
        fuzzer.close()
        codes += fuzzer.codes
        print(  # noqa: T201
            f"--seed={seed}, {numbers}: {fuzzer.sent} messages in {time.monotonic() - began:.0f} s,"
            f" {dict(codes)}, {warm} -> {after},"
            f" slowest call of the neighbour {max(neighbour.latencies):.2f} s"
        )
        assert not fuzzer.faults, "\n".join(fuzzer.faults[:10])
        assert not neighbour.failures, neighbour.failures[0]
        assert after.memory < warm.memory + _GROWTH
        _stays_sound(server, start, neighbour)
    assert codes["OK"] > messages / 20


def _stays_sound(server: ServerProcess, start: str, neighbour: Neighbour) -> None:
    """Hold the store against what was acknowledged, before and after a crash."""
    before = Story(server.address, start)
    assert not list(before.faults(neighbour.acknowledged))
    server.kill()
    server.start()
    after = Story(server.address, start)
    assert not list(after.faults(neighbour.acknowledged))
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-5000:]
