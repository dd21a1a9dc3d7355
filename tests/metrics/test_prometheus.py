"""A real Prometheus scrapes real servers: the dashboard finds its data, and faults fire alerts."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from metrics.seen import WatchedServer
from metrics.tools import DASHBOARD, prometheus
from metrics.traffic import traffic
from postgres_server import PostgresServer
from rpc.wire import Api
from waiting import until

VARIABLES = {"$job": "idstatus", "$instance": ".*", "$__rate_interval": "5s"}


def queries() -> Iterator[tuple[str, str]]:
    """Yield each query of the dashboard with the title of its panel."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            yield panel["title"], query


async def test_every_query_of_the_dashboard_finds_data(
    watched: WatchedServer, tmp_path: Path
) -> None:
    with prometheus(tmp_path, [watched.watched]) as running:
        async with traffic(watched.address):
            missing = dict(queries())

            def found() -> bool:
                for title in [t for t, query in missing.items() if running.found(query)]:
                    del missing[title]
                return not missing

            until(found)
        assert len(list(queries())) > 30
        assert running.failures() == []


async def test_faults_fire_their_alerts_and_no_others(
    tmp_path: Path, postgres: PostgresServer, database: str
) -> None:
    killed = WatchedServer.started(tmp_path / "killed")
    stuck = WatchedServer.started(tmp_path / "stuck")
    away = WatchedServer.started(tmp_path / "away", store=database)
    async with Api.at(stuck.address) as api:
        await api.create("forgotten")
        await api.create("paused")
        await api.update_queue("paused", paused=True)
    with prometheus(tmp_path, [each.watched for each in (killed, stuck, away)]) as running:
        until(lambda: len(running.found("idstatus_store_up == 1")) == 3)
        killed.kill()
        postgres.halt()
        until(lambda: away.get("/readyz").status_code == 503)
        shown_without_a_store(away)
        expected = {
            ("IdstatusDown", killed.watched),
            ("IdstatusNotReady", away.watched),
            ("IdstatusStoreErrors", away.watched),
            ("IdstatusOldestTaskTooOld", "forgotten"),
            ("IdstatusOldestTaskTooOld", "paused"),
            ("IdstatusQueueUnclaimed", "forgotten"),
        }
        until(lambda: running.firing() >= expected)
        assert running.firing() == expected
        postgres.resume()
        until(lambda: away.get("/readyz").text == "ok\n")
        away.shows(lambda metrics: metrics.value("idstatus_store_up") == 1)
        until(lambda: ("IdstatusNotReady", away.watched) not in running.firing())
    for server in (stuck, away):
        server.kill()


def shown_without_a_store(server: WatchedServer) -> None:
    """See that a server whose store is away says so, and is quick about it."""
    assert "\n" in server.get("/readyz").text
    assert server.get("/healthz").status_code == 200
    began = time.monotonic()
    metrics = server.shows(lambda metrics: metrics.value("idstatus_store_up") == 0)
    assert time.monotonic() - began < 15
    assert not metrics.has("idstatus_tasks")
    assert not metrics.has("idstatus_log_revision")
    assert metrics.value("idstatus_ready") == 0
    assert metrics.value("idstatus_store_errors_total", kind="unavailable") > 0
