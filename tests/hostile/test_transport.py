"""Attacks on the transport: other clients are served meanwhile, and nothing of them stays."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

import pytest
from frames import ACK, GOAWAY, PING, frame
from hostile.attacker import PREFACE, Attacker, message
from hostile.attacks import ATTACKS
from hostile.caller import Caller
from hostile.footprint import Footprint, footprint
from hostile.neighbour import Neighbour
from hostile.soundness import Story, newest_token

from harness import ServerProcess

# A drain waits for all calls: if one were left of an attack, it would last for the whole grace.
_FLAGS, _DRAINS = ("--slow-watcher-timeout", "1s", "--grace", "25s"), 20.0
# How long a server may take to let go of what an attacker left, in seconds. Threads that gRPC
# took on for the crowd leave once they have had nothing to do for a while.
_RECOVERY = 60.0
# What may be more after an attack's rounds than after those that warm up: MiB, handles, threads.
_MEMORY, _HANDLES, _THREADS = 32.0, 4, 6
# More calls at once than gRPC by itself would let wait.
_BURST = 2000
# Of the requests of a run, so many stand for a round of each attack.
_PER_ROUND = 20_000


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server that all attacks are on; it gives up slow readers soon."""
    server = ServerProcess(tmp_path_factory.mktemp("victim"), *_FLAGS)
    start = newest_token(server.start().address)
    yield server
    faults = list(Story(server.address, start).faults({}))
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < _DRAINS, "a call of an attacker was still under way"
    assert not faults
    assert "Traceback" not in server.log.read_text(errors="replace"), server.log.read_text()[-5000:]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_hurts_nobody_and_leaves_nothing(
    victim: ServerProcess, attack: Callable[[Attacker], None], messages: int, seed: int
) -> None:
    print(f"--seed={seed}")  # noqa: T201
    rounds = max(1, messages // _PER_ROUND)
    warm_up = 1 + rounds // 5  # memory comes to its height in some rounds, and stays there
    before = footprint(victim)
    with Neighbour(victim.address) as neighbour:
        for number in range(-warm_up, rounds):
            with Attacker(victim.address, Random(f"{seed}/{number}")) as attacker:
                attack(attacker)
                neighbour.wait()
            if number < 0:
                before = before._replace(memory=footprint(victim).memory)
    after = _settled(victim, before)
    print(before, "->", after, f"slowest {max(neighbour.latencies):.2f} s")  # noqa: T201
    assert not neighbour.failures, neighbour.failures[0]


def _settled(victim: ServerProcess, before: Footprint) -> Footprint:
    """Return what the server holds, once that is about what it held before."""
    most = Footprint(before.memory + _MEMORY, before.handles + _HANDLES, before.threads + _THREADS)
    ends = time.monotonic() + _RECOVERY
    while (now := footprint(victim)).exceeds(most):
        assert time.monotonic() < ends, f"{now} did not come back to {before}"
        time.sleep(0.1)
    return now


def test_who_connects_and_does_not_speak_is_shown_out(victim: ServerProcess, seed: int) -> None:
    with Attacker(victim.address, Random(seed)) as attacker:
        silent = attacker.connect(greet=False)
        stammering = attacker.connect(greet=False)
        stammering.send(PREFACE[:10])
        assert silent.ended()
        assert stammering.ended()


def test_a_path_that_is_no_text_stops_nobody(victim: ServerProcess, seed: int) -> None:
    with Attacker(victim.address, Random(seed)) as attacker:
        garbling = attacker.connect()
        garbling.call(b"/\xff\xfe", message(b""))
        garbling.hear(b"grpc-status")
    newest_token(victim.address)


def test_what_a_peer_says_in_leaving_does_not_get_into_the_log(
    victim: ServerProcess, seed: int
) -> None:
    with Attacker(victim.address, Random(seed)) as attacker:
        leaving = attacker.connect()
        leaving.send(frame(GOAWAY, 0, 0, bytes(7) + b"\1" + b"\x1b[31m\nERROR all is lost"))
        leaving.send(frame(PING, 0, 0, b"finished"))
        leaving.hear(frame(PING, ACK, 0, b"finished"))
    assert "all is lost" not in victim.log.read_text(errors="replace")


def test_a_burst_of_calls_is_answered_to_the_last(victim: ServerProcess) -> None:
    codes: Counter[object] = Counter()
    caller = Caller(victim.address)
    for _ in range(_BURST):
        path, request = "/idstatus.v1.TaskService/GetIdStatus", [b""]
        caller.call(path, request, print, lambda trailers: codes.update([trailers["grpc-status"]]))
    caller.flush()
    while codes.total() < _BURST:
        caller.receive()
    caller.socket.close()
    assert codes == {"3": _BURST}  # INVALID_ARGUMENT
