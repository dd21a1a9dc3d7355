"""A server is killed under many watchers, amid creations; all go on from where they were."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import servers
from contest import Setting
from database import Database
from fanout import BATCH, batch
from figure import Figure, Scale
from following import QUEUE, Crowd
from frames import Connection, WireError
from unary import BATCH_CREATE, CREATE, counts, new_task
from wire import Wire

_CONNECTIONS = 10
_SOON = 10.0
# Batches of creations before the server is killed, and creations after it.
_BEFORE, _AFTER = 5, 5

Kill = Callable[[Setting, Crowd], AbstractContextManager[tuple[float, str]]]
"""Kills a server under a crowd; says when, and where the crowd can go on."""


def drain(connection: Connection) -> None:
    """Take what has come from a server that is dead by now."""
    try:
        while True:
            connection.receive()
    except (WireError, OSError):
        pass


def kill_amid_work(server: servers.Server, crowd: Crowd) -> float:
    """Kill a server when half of its watchers have been told of the last batch; return when."""
    half = len(crowd.followers) * BATCH // 2
    with Wire(server.address, _CONNECTIONS) as wire:
        crowd.open(wire)
        for _ in range(_BEFORE):
            wire.connections[0].start(BATCH_CREATE, batch(QUEUE))
            enough = crowd.told + half
            wire.until(lambda enough=enough: crowd.told >= enough)  # type: ignore[misc]
        os.kill(server.pid, signal.SIGKILL)
        killed = time.perf_counter()
        for connection in wire.connections:
            drain(connection)
    return killed


@contextmanager
def restarted(at: Setting, crowd: Crowd) -> Iterator[tuple[float, str]]:
    """Kill the only server, and start it again."""
    store = at.store()
    with servers.idstatus(store, at.server_cores) as server:
        killed = kill_amid_work(server, crowd)
    with servers.idstatus(store, at.server_cores, "--listen", server.address):
        yield killed, server.address


@contextmanager
def another(at: Setting, crowd: Crowd) -> Iterator[tuple[float, str]]:
    """Kill one of two servers on one database; the other takes over."""
    store = at.store()
    with (
        servers.idstatus(store, at.server_cores) as other,
        servers.idstatus(store, at.server_cores) as server,
    ):
        yield kill_amid_work(server, crowd), other.address


def resumed(name: str, how: str, scale: Scale, kill: Kill) -> Iterator[Figure]:
    """Kill a server, let all its watchers come back at once, and see what each was told."""
    crowd, task = Crowd(scale.watchers), new_task(QUEUE).SerializeToString()
    with kill(scale.at, crowd) as (killed, address), Wire(address, _CONNECTIONS) as wire:
        served = time.perf_counter()
        behind = [len(follower.revisions) for follower in crowd.followers]
        crowd.start(wire)
        wire.ask(CREATE, task)
        crowd.until_told(wire, counts(wire).queued)
        last = time.perf_counter()
        for _ in range(_AFTER):
            wire.ask(CREATE, task)
        newest = counts(wire).queued
        crowd.until_told(wire, newest)
    who = f"{scale.watchers:,} watchers, {how}"
    missed = newest - _AFTER - 1 - min(behind)
    relisted = sum(follower.relisted for follower in crowd.followers)
    yield Figure(f"{name}-served", f"{who}: from the kill until it serves", served - killed, "s")
    yield Figure(f"{name}-missed", "changes that the last of them had missed", missed, "")
    yield Figure(name, f"{who}: from the kill until all know all", last - killed, "s", _SOON)
    yield Figure(f"{name}-relisted", "of them told to begin anew", relisted, "", 0)
    yield Figure(
        f"{name}-faulty", "of them missed a change or saw one twice", crowd.faulty(newest), "", 0
    )


def killed(scale: Scale) -> Iterator[Figure]:
    """Kill a server on SQLite."""
    yield from resumed("killed", "one server, started again", scale, restarted)


def killed_postgres(scale: Scale) -> Iterator[Figure]:
    """Kill a server on PostgreSQL, which has its place on the load's cores."""
    with Database(cores=scale.at.load_cores) as database:
        there = replace(scale, at=replace(scale.at, database=database))
        yield from resumed("killed-postgres", "one of two servers", there, another)
