"""What the files in deploy/ say."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from deploy.linters import found, said

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "docker/Dockerfile"
COMPOSE = DEPLOY / "compose/compose.yaml"
COMPOSE_TLS = DEPLOY / "compose/compose.tls.yaml"
PROMETHEUS = DEPLOY / "prometheus/prometheus.yml"
IN_KUBERNETES = DEPLOY / "prometheus/kubernetes.yml"
KUBERNETES = DEPLOY / "kubernetes"
SECRETS = KUBERNETES / "secrets.example.yaml"
POD_MONITOR = KUBERNETES / "podmonitor.yaml"
ADAPTER = KUBERNETES / "with-adapter/prometheus-adapter.yaml"
UNIT = DEPLOY / "systemd/idstatus.service"
UNIT_TLS = DEPLOY / "systemd/idstatus.service.d/tls.conf"
UNIT_SETTINGS = DEPLOY / "systemd/idstatus.env"

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


class _ComposeLoader(yaml.SafeLoader):
    """Reads compose files, whose tag !override replaces a list where others are joined."""


def _override(loader: _ComposeLoader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node)


_ComposeLoader.add_constructor("!override", _override)


@cache
def compose(path: Path) -> Any:
    """Return a compose file."""
    return yaml.load(path.read_text(), _ComposeLoader)  # noqa: S506  # it is a SafeLoader


@cache
def documents(path: Path) -> list[Any]:
    """Return the documents of a file of YAML."""
    return list(yaml.safe_load_all(path.read_text()))


@cache
def manifests(folder: str) -> list[Any]:
    """Return what kubectl, or kustomize, makes of a kustomization of ours."""
    command = ("kustomize", "build") if found("kustomize") else ("kubectl", "kustomize")
    return list(yaml.safe_load_all(said(*command, KUBERNETES / folder)))


def manifest(folder: str, kind: str, name: str = "idstatus") -> Any:
    """Return the manifest of a kind and a name."""
    (found,) = (
        one for one in manifests(folder) if (one["kind"], one["metadata"]["name"]) == (kind, name)
    )
    return found


def pod(folder: str, kind: str, name: str = "idstatus") -> Any:
    """Return the pods that a Deployment or a Job makes."""
    return manifest(folder, kind, name)["spec"]["template"]


def image_environment() -> dict[str, str]:
    """Return the Dockerfile's variables."""
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)", DOCKERFILE.read_text(), re.MULTILINE)
    return dict(re.findall(r"(\w+)=(\S+)", block))


def environments() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the environment of each server that a file starts, and what to call it."""
    image = image_environment()
    yield "image", {**image, "IDSTATUS_INSECURE": "true"}
    for service in ("idstatus-1", "idstatus-2"):
        plain = image | compose(COMPOSE)["services"][service]["environment"]
        yield service, plain
        yield f"{service}, tls", plain | compose(COMPOSE_TLS)["services"][service]["environment"]
    yield "deployment", image | _of_container(pod("base", "Deployment"))
    yield "deployment in a mesh", image | _of_container(pod("mesh", "Deployment"))
    yield "job", image | _of_container(pod("migrate", "Job", "idstatus-migrate"))
    unit = _of_unit(UNIT) | _settings()
    yield "unit", unit
    yield "unit, tls", unit | _of_unit(UNIT_TLS)


def _of_container(template: Any) -> dict[str, str]:
    (container,) = template["spec"]["containers"]
    return {
        variable["name"]: variable.get("value") or _secret(**variable["valueFrom"]["secretKeyRef"])
        for variable in container["env"]
    }


def _secret(name: str, key: str) -> str:
    (found,) = (one for one in documents(SECRETS) if one["metadata"]["name"] == name)
    return str(found["stringData"][key])


def _of_unit(path: Path) -> dict[str, str]:
    text = path.read_text().replace("%S", "/var/lib").replace("%d", "/run/credentials")
    return dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))


def _settings() -> dict[str, str]:
    """Return the settings of the example, those that are commented out, too."""
    return dict(re.findall(r"^#?(\w+)=(.*)$", UNIT_SETTINGS.read_text(), re.MULTILINE))
