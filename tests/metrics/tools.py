"""The real Prometheus, and its promtool."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from waiting import until

from harness import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus/alerts.yml"
DASHBOARD = DEPLOY / "grafana/dashboard.json"
_CONFIG = """\
global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: idstatus
    static_configs: [{{targets: {targets}}}]
"""
_MINUTE = 300  # milliseconds


def tool(name: str) -> str:
    """Return the path of a program of Prometheus'."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not found: apt-get install prometheus")
    return found


def promtool(*words: str | Path, said: str = "") -> str:
    """Run promtool, which must find nothing wrong, on what is said to it; return what it says."""
    done = subprocess.run(
        [tool("promtool"), *words], input=said, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def hastened(rules: str) -> str:
    """Return rules in which each minute lasts 0.3 s, and nothing else is touched.

    That is each span written as Nm, and each number of seconds written as N * 60.
    """
    rules = re.sub(r"\b(\d+)m\b", lambda found: f"{int(found[1]) * _MINUTE}ms", rules)
    return re.sub(r"\b(\d+) \* 60\b", rf"\1 * {_MINUTE / 1000}", rules)


class Prometheus:
    """A Prometheus that runs."""

    def __init__(self, address: str) -> None:
        self.address = address

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://{self.address}/-/ready").is_success
        except httpx.TransportError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        url = f"http://{self.address}/api/v1/{path}"
        answer = httpx.get(url, params=parameters, timeout=30).json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def found(self, query: str) -> list[Any]:
        """Return what a query finds now."""
        return list(self.ask("query", query=query)["result"])

    def firing(self) -> set[tuple[str, str]]:
        """Return each alert that fires, with the server or the queue that it names."""
        return {
            (labels["alertname"], labels.get("instance") or labels.get("queue", ""))
            for alert in self.ask("alerts")["alerts"]
            if alert["state"] == "firing"
            for labels in (alert["labels"],)
        }

    def failures(self) -> list[str]:
        """Return why rules cannot be evaluated."""
        groups = self.ask("rules")["groups"]
        return [
            rule["lastError"] for group in groups for rule in group["rules"] if "lastError" in rule
        ]


@contextmanager
def prometheus(folder: Path, targets: Sequence[str]) -> Iterator[Prometheus]:
    """Let a Prometheus scrape these addresses, and judge them by our rules in haste."""
    config = folder / "prometheus.yml"
    config.write_text(_CONFIG.format(targets=list(targets)))
    (folder / "rules.yml").write_text(hastened(ALERTS.read_text()))
    address = f"127.0.0.1:{free_port()}"
    command = [
        tool("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        running = Prometheus(address)
        try:
            until(running.is_ready)
            yield running
        finally:
            process.kill()
