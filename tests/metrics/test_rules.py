"""The alert rules, held against Prometheus' own checker and against series made for each."""

from pathlib import Path

import pytest
import yaml
from metrics.tools import ALERTS, hastened, promtool

TESTS = ALERTS.with_name("alerts_test.yml")
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_the_rules_are_sound() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", ALERTS)


def test_each_rule_fires_when_it_should_and_not_before() -> None:
    tested = {test["name"] for test in yaml.safe_load(TESTS.read_text())["tests"]}
    assert {rule["alert"] for rule in RULES} <= tested
    promtool("test", "rules", TESTS)


def test_a_rule_that_fires_too_late_is_found(tmp_path: Path) -> None:
    (tmp_path / TESTS.name).write_text(TESTS.read_text())
    (tmp_path / ALERTS.name).write_text(ALERTS.read_text().replace("for: 1m", "for: 10m"))
    with pytest.raises(AssertionError, match="IdstatusDown"):
        promtool("test", "rules", tmp_path / TESTS.name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    name = str(rule["alert"]).lower()
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name}"


def test_in_haste_minutes_are_short_and_the_rest_is_as_it_was() -> None:
    rule = 'max(x{a="b"}[10m]) > 15 * 60 or y > 0.05\nfor: 2m\n'
    assert hastened(rule) == ('max(x{a="b"}[3000ms]) > 15 * 0.3 or y > 0.05\nfor: 600ms\n')
