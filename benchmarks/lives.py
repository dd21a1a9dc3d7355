"""Whole lives of tasks: created, claimed, finished; against other task queues on the same work."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import servers
from contest import AbsentError, Act, Contest, Sample, Setting, rated
from frames import Connection
from unary import BATCH_CREATE, CREATE, counts, new_task
from wire import Wire

from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_pb2 import Success

CLAIM = "/idstatus.v1.RunnerService/ClaimTasks"
FINISH = "/idstatus.v1.RunnerService/FinishTasks"
BATCH, BATCH_CALLERS = 100, 4
UNARY_CALLERS = 64
CONNECTIONS = 8
# What the others are given to do: enough for a second or two.
_PEER_TASKS, _PEER_TASKS_FULL = 500, 5000
_PEERS = Path(__file__).with_name("peers")


class Lives:
    """Callers who let tasks live, so many at a time; ``done`` counts those that were finished.

    Without ``born``, they claim and finish what is there already.
    """

    def __init__(self, size: int, *, born: bool = True) -> None:
        self.done = 0
        self.on = True
        self._callers = 0
        self._born = born
        self._claim = claim_request(size)
        many = t.BatchCreateTasksRequest(requests=[new_task()] * size)
        self._create = (
            (CREATE, new_task().SerializeToString())
            if size == 1
            else (BATCH_CREATE, many.SerializeToString())
        )

    def begin(self, connection: Connection) -> None:
        """Let a caller begin on a connection: it creates, claims, finishes, and begins anew."""
        self._callers += 1
        claimed: list[bytes] = []

        def create() -> None:
            if not self.on:
                self._callers -= 1
            elif self._born:
                connection.start(*self._create, on_end=claim)
            else:
                claim()

        def claim() -> None:
            claimed.clear()
            connection.start(CLAIM, self._claim, claimed.append, finish)

        def finish() -> None:
            connection.start(FINISH, reports(claimed[0]), self._finished, create)

        create()

    def _finished(self, message: bytes) -> None:
        self.done += accepted(r.FinishTasksResponse.FromString(message))

    def ended(self) -> bool:
        """Say whether all callers have gone."""
        return not self._callers


def claim_request(size: int, queues: Sequence[str] = ("q",)) -> bytes:
    """Return the request that claims so many."""
    return r.ClaimTasksRequest(queues=queues, max_tasks=size, runner="bench").SerializeToString()


def reports(message: bytes) -> bytes:
    """Return the request that reports the success of what was claimed."""
    claimed = r.ClaimTasksResponse.FromString(message)
    assert claimed.claims, "there was nothing to claim"
    return successes(claimed).SerializeToString()


def successes(claimed: r.ClaimTasksResponse) -> r.FinishTasksRequest:
    """Return the reports of the success of what was claimed."""
    return r.FinishTasksRequest(
        reports=[
            r.Report(id=claim.task.id, lease_token=claim.lease_token, success=Success())
            for claim in claimed.claims
        ]
    )


def accepted(finished: r.FinishTasksResponse) -> int:
    """Return how many reports were accepted, and insist that all were."""
    results = finished.results
    assert all(result.HasField("id_status") for result in results), "a report was refused"
    return len(results)


def lived(at: Setting, name: str, wire: Wire, server: servers.Server, size: int) -> Sample:
    """Let tasks live; return how many are finished in a second. All are, in the end."""
    lives = Lives(size)
    before = counts(wire).success
    for number in range(UNARY_CALLERS if size == 1 else BATCH_CALLERS):
        lives.begin(wire.connections[number % len(wire.connections)])
    sample = rated(at, name, wire, server, lambda: lives.done)
    lives.on = False
    wire.until(lives.ended)
    now = counts(wire)
    assert now.success - before == lives.done, f"{lives.done} finished, {now} stored"
    assert not now.queued + now.running, f"{now} are left"
    return sample


def peer(at: Setting, name: str, program: str, *flags: str) -> Sample:
    """Let another task queue do the same work, with all of the machine."""
    tasks = _PEER_TASKS_FULL if at.full else _PEER_TASKS
    cores = ",".join(map(str, at.server_cores | at.load_cores))
    command = ["taskset", "-c", cores, sys.executable, str(_PEERS / program), str(tasks), *flags]
    there = os.environ | {"TMPDIR": tempfile.gettempdir()}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=there)
    if done.returncode:
        raise AbsentError((done.stderr.strip().splitlines() or ["it has failed"])[-1])
    told = json.loads(done.stdout)
    return Sample({name: told["tasks_per_second"]}, about=told)


def against(program: str, *flags: str, size: int = BATCH, built: bool = False) -> Contest:
    """Return the contest with another task queue; one that must be ``built`` runs once before."""

    @contextmanager
    def contest(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
        if not (_PEERS / program).exists():
            raise AbsentError(f"there is no benchmarks/peers/{program}")
        if built:
            peer(at, name, program, *flags)  # which takes longer than ours waits
        with living(at, name, size) as ours:
            yield ours, lambda: peer(at, name, program, *flags)

    return contest


@contextmanager
def living(at: Setting, name: str, size: int, *flags: str) -> Iterator[Act]:
    """Start our server, and return what lets tasks live there."""
    with (
        servers.idstatus(at.store(), at.server_cores, *flags) as server,
        Wire(server.address, CONNECTIONS) as wire,
    ):
        wire.ask(CREATE, new_task().SerializeToString())  # a queue exists from its first task on
        wire.ask(FINISH, reports(wire.ask(CLAIM, claim_request(1))))
        yield lambda: lived(at, name, wire, server, size)


@contextmanager
def replicas(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
    """Let two processes share a port and a database, against one; all share all cores."""
    everywhere = replace(at, server_cores=at.server_cores | at.load_cores)
    with (
        living(everywhere, name, BATCH, "--workers", "2") as two,
        living(everywhere, name, BATCH) as one,
    ):
        yield two, one
