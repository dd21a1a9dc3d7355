"""docs/metrics.md, the dashboard and the alerts name what a real server exports."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from google.longrunning import operations_pb2
from metrics.seen import Metrics
from metrics.tools import ALERTS, DASHBOARD, promtool
from pages import blocks

from idstatus.v1 import queue_service_pb2, runner_service_pb2, task_service_pb2
from idstatus_server.rpc.dispatch import may_wait

RUNBOOK = Path(__file__).parents[2] / "docs/runbook.md"
PAGE = Path(__file__).parents[2] / "docs/metrics.md"
ROW = re.compile(r"^\| `(\w+)`(?: °)? \| (\w+) \|([\w, ]*)\|", re.MULTILINE)
# Those that Prometheus itself adds to what it scrapes, or makes.
ITS_OWN = {"job", "instance", "alertname", "alertstate", "le"}

Table = dict[str, tuple[str, set[str]]]


@pytest.fixture(scope="module")
def table(exported: Metrics) -> Table:
    """Each metric that is exported, with its type and its labels."""
    return {
        family.name + "_total" * (family.type == "counter"): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in exported.families
    }


def test_the_page_lists_every_metric_with_its_type_and_labels(table: Table) -> None:
    listed = {
        name: (kind, set(labels.replace(" ", "").split(",")) - {""})
        for name, kind, labels in ROW.findall(PAGE.read_text())
    }
    assert listed == table


def test_promtool_finds_nothing_wrong_with_what_is_exported(exported: Metrics) -> None:
    assert promtool("check", "metrics", said=exported.text) == ""


def test_promtool_finds_something_wrong_if_there_is(exported: Metrics) -> None:
    with pytest.raises(AssertionError, match="no help text"):
        promtool("check", "metrics", said=exported.text + "nameless 1\n")


def expressions() -> Iterator[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for variable in dashboard["templating"]["list"]:
        yield variable.get("definition", "")
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for block in blocks(RUNBOOK, "console"):
        yield from re.findall(r"^promtool query instant \S+ '(.*)'$", block, re.MULTILINE)


def names_in(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric of an expression, with the labels by which it is selected."""
    for name, selector in re.findall(r"\b((?:grpc|idstatus|process)_\w+)(\{[^}]*\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))


def test_the_latency_that_is_judged_is_that_of_the_calls_that_do_not_wait() -> None:
    files = (task_service_pb2, runner_service_pb2, queue_service_pb2, operations_pb2)
    waiting = {
        method.name
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if may_wait(method) or method.server_streaming
    }
    left_out = [
        set(re.findall(r"\w+", methods))
        for expression in expressions()
        if "histogram_quantile" in expression and "grpc_server_call_duration" in expression
        for methods in re.findall(r'grpc_method!~"[^"]*/\((.*?)\)"', expression)
    ]
    # It may have a hundred thousand tasks to cancel.
    assert left_out == [waiting | {"BatchCancelTasks"}] * 3


def family_of(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_an_expression_names_metrics_and_labels_that_there_are(
    table: Table, expression: str
) -> None:
    known = {label for _, labels in table.values() for label in labels} | ITS_OWN
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", grouped)) <= known
    for name, labels in names_in(expression):
        if name in known:  # grpc_method and its like are labels
            continue
        assert labels <= table[family_of(name)][1] | ITS_OWN
