"""Each file in deploy/ passes the linter of its kind, which finds what is wrong in another."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml
from deploy.files import (
    COMPOSE,
    COMPOSE_TLS,
    DOCKERFILE,
    IN_KUBERNETES,
    PROMETHEUS,
    SECRETS,
    UNIT,
    UNIT_TLS,
    documents,
    manifests,
)
from deploy.linters import (
    compose_schema,
    exposure,
    hadolint,
    kubernetes_schema,
    promtool,
    systemd,
)

# The oldest that knows all that we use, and the newest whose schemas there are.
VERSIONS = ("1.30", "1.37")
PROGRAM = "/opt/idstatus/bin/idstatus-server"


def changed(path: Path, folder: Path, old: str, new: str) -> Path:
    """Return a copy of a file with another text in it."""
    text = path.read_text()
    assert old in text
    folder.mkdir(exist_ok=True)
    copy = folder / path.name
    copy.write_text(text.replace(old, new))
    return copy


def unit(folder: Path, old: str = "", new: str = "", *, tls: bool = False) -> Path:
    """Return a copy of the unit, whose program is there, with another text in it."""
    here = str(Path(sys.executable).parent / "idstatus-server")
    copy = changed(UNIT, folder, PROGRAM, here)
    if tls:
        shutil.copytree(UNIT_TLS.parent, folder / UNIT_TLS.parent.name)
    return changed(copy, folder, old, new)


def test_the_dockerfile_is_linted(tmp_path: Path) -> None:
    assert hadolint(DOCKERFILE) == ""
    assert "DL3020" in hadolint(changed(DOCKERFILE, tmp_path, "COPY client", "ADD client"))


def test_the_compose_files_keep_to_their_schema(tmp_path: Path) -> None:
    # The validator does not know this tag, which `docker compose` has had since 2.24.
    tls = changed(COMPOSE_TLS, tmp_path, "!override ", "")
    assert compose_schema(COMPOSE, tls) == ""
    wrong = changed(COMPOSE, tmp_path, "stop_grace_period", "stop_grace")
    assert "stop_grace" in compose_schema(wrong)


def test_the_manifests_keep_to_their_schemas(tmp_path: Path) -> None:
    ours = tmp_path / "ours.yaml"
    ours.write_text(
        yaml.safe_dump_all(
            one
            for folder in ("base", "migrate", "example", "mesh", "with-adapter")
            for one in manifests(folder)
            if one["kind"] != "Certificate"  # cert-manager's: Kubernetes has no schema of it
        )
    )
    for version in VERSIONS:
        assert kubernetes_schema(version, ours, SECRETS) == ""


def test_a_field_and_a_kind_that_kubernetes_does_not_know_are_found(tmp_path: Path) -> None:
    ours = tmp_path / "manifests.yaml"
    ours.write_text(yaml.safe_dump_all(manifests("base")))
    wrong = changed(ours, tmp_path / "wrong", "maxSurge", "maxSurg")
    wrong = changed(wrong, tmp_path, "kind: Service\n", "kind: Servise\n")
    complaints = kubernetes_schema(VERSIONS[-1], wrong)
    assert "'maxSurg' was unexpected" in complaints
    assert "kind Servise" in complaints


def test_prometheus_takes_its_configuration_and_the_rules_that_it_names(tmp_path: Path) -> None:
    assert promtool(PROMETHEUS) == ""
    wrong = changed(PROMETHEUS, tmp_path, "job_name", "job")
    assert "field job not found" in promtool(wrong)


def test_prometheus_takes_the_job_for_kubernetes_but_for_what_debians_does_not_know(
    tmp_path: Path,
) -> None:
    config = documents(IN_KUBERNETES)[0]
    (job,) = config["scrape_configs"]
    known = {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
    ours = tmp_path / "prometheus.yml"
    ours.write_text(yaml.safe_dump({"scrape_configs": [known]}))
    assert promtool(ours) == ""
    assert "action" in promtool(changed(ours, tmp_path / "wrong", "action: keep", "action: kept"))


@pytest.mark.parametrize("tls", [False, True])
def test_systemd_takes_the_unit(tls: bool, tmp_path: Path) -> None:
    ours = unit(tmp_path, tls=tls)
    assert systemd(ours) == ""
    assert exposure(ours) == ""


def test_systemd_finds_faults_in_a_unit(tmp_path: Path) -> None:
    assert "ProtectHomes" in systemd(unit(tmp_path, "ProtectHome", "ProtectHomes"))
    assert "CAP_SYS_ADMIN" in exposure(unit(tmp_path, "CapabilityBoundingSet=", ""))


def test_the_secrets_have_what_the_manifests_mount_and_read() -> None:
    secrets = {one["metadata"]["name"]: set(one["stringData"]) for one in documents(SECRETS)}
    assert secrets == {
        "idstatus-store": {"url"},
        "idstatus-tls": {"tls.crt", "tls.key"},
        "idstatus-auth": {"auth.toml"},
    }
