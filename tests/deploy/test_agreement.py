"""Where two files in deploy/ speak of one thing, they say the same."""

import re
from collections.abc import Iterator
from typing import Any

from deploy.files import (
    ADAPTER,
    COMPOSE,
    COMPOSE_TLS,
    DEPLOY,
    DOCKERFILE,
    PROJECT,
    PROMETHEUS,
    UNIT,
    compose,
    documents,
    image_environment,
    manifest,
    pod,
)

from idstatus_server import config
from idstatus_server.limits import SECOND

IMAGE = image_environment()
GRPC, METRICS = (
    int(IMAGE[name].rpartition(":")[2]) for name in ("IDSTATUS_LISTEN", "IDSTATUS_METRICS_LISTEN")
)
DEFAULTS = config.read([], {})
GRACE = DEFAULTS.grace // SECOND
# What docs/operating.md wants beside the grace before a server is killed.
SPARE = 5
DOCKER = DOCKERFILE.read_text()


def server() -> Any:
    """Return the server's container in Kubernetes."""
    (container,) = pod("base", "Deployment")["spec"]["containers"]
    return container


def pods() -> Iterator[Any]:
    yield pod("base", "Deployment")
    yield pod("migrate", "Job", "idstatus-migrate")


def test_the_ports_are_the_same_everywhere() -> None:
    assert f"EXPOSE {GRPC} {METRICS}\n" in DOCKER
    assert f"127.0.0.1:{METRICS}/readyz" in DOCKER
    ports = {port["name"]: port["containerPort"] for port in server()["ports"]}
    assert ports == {"grpc": GRPC, "metrics": METRICS}
    annotations = pod("base", "Deployment")["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(METRICS)
    for name in ("idstatus", "idstatus-headless"):
        (port,) = manifest("base", "Service", name)["spec"]["ports"]
        assert (port["port"], port["targetPort"]) == (GRPC, "grpc")
    for file in (COMPOSE, COMPOSE_TLS):
        for name in ("idstatus-1", "idstatus-2"):
            (published,) = compose(file)["services"][name]["ports"]
            assert published.rpartition(":")[2] == str(GRPC)
    assert DEFAULTS.listen == (f"127.0.0.1:{GRPC}",)
    assert f"IDSTATUS_METRICS_LISTEN=127.0.0.1:{METRICS}\n" in UNIT.read_text()


def test_what_is_allowed_and_probed_are_ports_that_there_are() -> None:
    names = {port["name"] for port in server()["ports"]}
    probes = [server()[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert {probe["port"] for probe in probes} <= names
    allowed = manifest("base", "NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for rule in allowed for port in rule["ports"]] == ["grpc", "metrics"]


def test_prometheus_finds_all_servers_of_compose_by_their_common_name() -> None:
    (job,) = documents(PROMETHEUS)[0]["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert (found["names"], found["port"]) == ([job["job_name"]], METRICS)
    services = compose(COMPOSE)["services"]
    for name in ("idstatus-1", "idstatus-2"):
        assert services[name]["networks"]["default"]["aliases"] == found["names"]


def test_services_and_budget_take_the_servers_and_not_the_job() -> None:
    labels, of_the_job = (template["metadata"]["labels"].items() for template in pods())
    deployment = manifest("base", "Deployment")["spec"]
    chosen_by = [
        deployment["selector"]["matchLabels"],
        manifest("base", "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        manifest("base", "Service")["spec"]["selector"],
        manifest("base", "Service", "idstatus-headless")["spec"]["selector"],
    ]
    for selector in chosen_by:
        assert selector.items() <= labels
        assert not selector.items() <= of_the_job
    policy = manifest("base", "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert policy.items() <= labels & of_the_job


def test_nobody_is_killed_before_the_grace_is_over() -> None:
    pre_stop = server()["lifecycle"]["preStop"]["sleep"]["seconds"]
    patience = pod("base", "Deployment")["spec"]["terminationGracePeriodSeconds"]
    assert patience == pre_stop + GRACE + SPARE
    for name in ("idstatus-1", "idstatus-2"):
        assert compose(COMPOSE)["services"][name]["stop_grace_period"] == f"{GRACE + SPARE}s"
    assert f"TimeoutStopSec={GRACE + SPARE}\n" in UNIT.read_text()


def test_the_autoscaler_goes_by_the_metric_that_the_adapter_brings() -> None:
    (_, of_pods) = manifest("base", "HorizontalPodAutoscaler")["spec"]["metrics"]
    (rule,) = documents(ADAPTER)[0]["rules"]["custom"]
    assert rule["name"]["as"] == of_pods["pods"]["metric"]["name"]


def test_the_largest_rollout_leaves_postgresql_connections() -> None:
    most = manifest("base", "HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    surge = manifest("base", "Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    assert (most + surge) * (DEFAULTS.store_connections + 1) <= 97  # of max_connections = 100


def test_the_image_is_of_this_version_and_has_all_that_serves() -> None:
    image = f"idstatus:{PROJECT['version']}"
    assert f"-t {image} ." in DOCKER
    assert {template["spec"]["containers"][0]["image"] for template in pods()} == {image}
    services = compose(COMPOSE)["services"]
    assert {services[name]["image"] for name in ("idstatus-1", "idstatus-2")} == {image}
    (extras,) = re.findall(r"'\.\[(.*)\]'", DOCKER)
    for_others = {"bench", "cli", "dev", "docs"}
    assert set(extras.split(",")) == set(PROJECT["optional-dependencies"]) - for_others


def test_every_container_is_somebody_without_rights_on_a_file_system_that_it_cannot_write() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKER, re.MULTILINE)
    for template in pods():
        spec = template["spec"]
        assert (spec["securityContext"]["runAsUser"], user) == (10001, "10001")
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec["automountServiceAccountToken"]
        assert spec["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    for name, service in compose(COMPOSE)["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_what_a_service_of_compose_uses_is_declared_and_there() -> None:
    both = {**compose(COMPOSE)["secrets"], **compose(COMPOSE_TLS)["secrets"]}
    for file in (COMPOSE, COMPOSE_TLS):
        for service in compose(file)["services"].values():
            assert set(service.get("secrets", ())) <= both.keys()
            for volume in service.get("volumes", ()):
                source = volume.partition(":")[0]
                known = source in compose(COMPOSE)["volumes"]
                assert known or (DEPLOY / "compose" / source).exists(), source
