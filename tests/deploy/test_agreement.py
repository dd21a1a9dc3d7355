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
    IN_KUBERNETES,
    POD_MONITOR,
    PROJECT,
    PROMETHEUS,
    ROOT,
    UNIT,
    compose,
    documents,
    image_environment,
    manifest,
    manifests,
    pod,
)

from idstatus_server import config
from idstatus_server.limits import SECOND
from idstatus_server.store.postgres import opening

IMAGE = image_environment()
GRPC, METRICS = (
    int(IMAGE[name].rpartition(":")[2]) for name in ("IDSTATUS_LISTEN", "IDSTATUS_METRICS_LISTEN")
)
DEFAULTS = config.read([], {})
GRACE = DEFAULTS.grace // SECOND
# What docs/operating.md wants beside the grace before a server is killed.
SPARE = 5
DOCKER = DOCKERFILE.read_text()


def server(folder: str = "base") -> Any:
    """Return the server's container in Kubernetes."""
    (container,) = pod(folder, "Deployment")["spec"]["containers"]
    return container


def pods() -> Iterator[Any]:
    yield pod("base", "Deployment")
    yield pod("migrate", "Job", "idstatus-migrate")


def test_the_ports_are_the_same_everywhere() -> None:
    assert f"EXPOSE {GRPC} {METRICS}\n" in DOCKER
    assert f"127.0.0.1:{METRICS}/readyz" in DOCKER
    ports = {port["name"]: port["containerPort"] for port in server()["ports"]}
    assert ports == {"grpc": GRPC, "metrics": METRICS}
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
    in_a_mesh = [server("mesh")[f"{name}Probe"] for name in ("startup", "readiness")]
    assert [probe["grpc"]["port"] for probe in in_a_mesh] == [GRPC, GRPC]
    allowed = manifest("base", "NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for rule in allowed for port in rule["ports"]] == ["grpc", "metrics"]


def test_prometheus_knows_every_server_of_compose_by_its_name() -> None:
    (job,) = documents(PROMETHEUS)[0]["scrape_configs"]
    (static,) = job["static_configs"]
    services = compose(COMPOSE)["services"]
    servers = [name for name in services if services[name]["image"].startswith("idstatus:")]
    assert static["targets"] == [f"{name}:{METRICS}" for name in servers]


def test_a_prometheus_in_kubernetes_finds_the_servers_and_calls_their_job_as_the_rules_do() -> None:
    labels = pod("base", "Deployment")["metadata"]["labels"]
    (monitor,) = documents(POD_MONITOR)
    assert labels[monitor["spec"]["jobLabel"]] == "idstatus"
    assert monitor["spec"]["selector"]["matchLabels"] == labels
    assert monitor["spec"]["podMetricsEndpoints"] == [{"port": "metrics"}]
    (job,) = documents(IN_KUBERNETES)[0]["scrape_configs"]
    assert job["job_name"] == "idstatus"
    (found,) = job["kubernetes_sd_configs"]
    assert found == {"role": "pod", "namespaces": {"names": [namespace()]}}
    keep = job["relabel_configs"][0]
    assert dict(zip(keep["source_labels"], keep["regex"].split(";"), strict=True)) == {
        "__meta_kubernetes_pod_container_port_name": "metrics",
        **{
            re.sub(r"\W", "_", f"__meta_kubernetes_pod_label_{name}"): value
            for name, value in labels.items()
        },
    }


def namespace() -> str:
    """Return the namespace of the example."""
    return str(manifest("example", "Deployment")["metadata"]["namespace"])


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


def test_a_start_may_take_as_long_as_the_schema_needs() -> None:
    probe = server()["startupProbe"]
    patience = probe["periodSeconds"] * probe["failureThreshold"]
    assert patience > opening._PATIENCE
    assert manifest("base", "Deployment")["spec"]["progressDeadlineSeconds"] > patience


def test_neither_a_mesh_nor_a_nodes_cache_of_names_is_shut_out() -> None:
    assert "NetworkPolicy" not in {one["kind"] for one in manifests("mesh")}
    allowed = manifest("base", "NetworkPolicy")["spec"]["egress"]
    assert not any("to" in rule for rule in allowed)
    assert {port["port"] for rule in allowed for port in rule["ports"]} == {53, 443, 4317, 5432}


def test_the_autoscaler_goes_by_cpu_and_where_there_is_an_adapter_by_its_metric_too() -> None:
    (cpu,) = manifest("base", "HorizontalPodAutoscaler")["spec"]["metrics"]
    (same, of_pods) = manifest("with-adapter", "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert (cpu, cpu["resource"]["name"]) == (same, "cpu")
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
    extras = re.findall(r"--extra (\S+)", (ROOT / "scripts/lock").read_text())
    for_others = {"bench", "cli", "dev", "docs"}
    assert set(extras) == set(PROJECT["optional-dependencies"]) - for_others


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
