"""docs/runbook.md has a section for each alert, and every line in it can be typed."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpcurl
import pytest
import yaml
from metrics.seen import WatchedServer
from metrics.tools import ALERTS, prometheus
from pages import ADDRESS, blocks
from waiting import until

PAGE = Path(__file__).parents[2] / "docs/runbook.md"
SECTIONS = re.findall(r"^## (\w+)$", PAGE.read_text(), re.MULTILINE)


def test_each_alert_has_its_section() -> None:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    assert [rule["alert"] for group in groups for rule in group["rules"]] == SECTIONS


def test_each_section_tells_what_it_means_what_to_look_at_and_what_to_do() -> None:
    for section in PAGE.read_text().split("\n## ")[1:]:
        assert re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE) == ["Means", "Look", "Do"]
        assert section.count("```console") == 1


@pytest.fixture
def real(busy: WatchedServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Where the addresses of the page really are."""
    with prometheus(tmp_path, [busy.watched]) as running:
        until(lambda: running.found("idstatus_tasks"))
        yield {
            ADDRESS: busy.address,
            "127.0.0.1:9464": busy.watched,
            "127.0.0.1:9090": running.address,
        }


def test_every_line_does_its_work(
    busy: WatchedServer, real: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE", busy.store)
    monkeypatch.setenv("IDSTATUS_ADDRESS", busy.address)
    lines = "".join(blocks(PAGE, "console"))
    for shown, address in real.items():
        lines = lines.replace(shown, address)
    for line in lines.splitlines():
        done = subprocess.run(
            grpcurl.typed(f"set -o pipefail; {line}"), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (line, done.stdout + done.stderr)
