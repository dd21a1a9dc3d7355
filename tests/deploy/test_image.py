"""What the image does, but for the engine that builds it: its wheel, and its check of health."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from deploy.files import ADAPTER, DOCKERFILE, ROOT, documents, pod

from harness import ServerProcess, free_port


def test_the_wheel_is_made_of_what_the_dockerfile_copies(tmp_path: Path) -> None:
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    let_in = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(names) == sorted(let_in)
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=tmp_path, check=True
    )
    (wheel,) = tmp_path.glob("dist/*.whl")
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    kept = {
        str(path.relative_to(room))
        for room in (ROOT / "client", ROOT / "server")
        for path in room.rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".pyi")
    }
    assert kept <= packed


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that tells how it is."""
    address = f"127.0.0.1:{free_port()}"
    server = ServerProcess(tmp_path_factory.mktemp("observed"), "--metrics-listen", address)
    yield server.start()
    server.kill()


def answer(server: ServerProcess, path: str) -> str:
    """Return what the server answers with 200, by HTTP."""
    with urllib.request.urlopen(f"http://{server.flags[1]}{path}", timeout=10) as got:
        return str(got.read().decode())


def test_probes_and_prometheus_ask_for_what_the_server_has(observed: ServerProcess) -> None:
    template = pod("base", "Deployment")
    (container,) = template["spec"]["containers"]
    for probe in ("startup", "readiness", "liveness"):
        answer(observed, container[f"{probe}Probe"]["httpGet"]["path"])
    metrics = answer(observed, "/metrics")  # where Prometheus looks if it is told nothing else
    (rule,) = documents(ADAPTER)[0]["rules"]["custom"]
    name, resource = re.findall(r'^(\w+){resource="(\w+)"', rule["seriesQuery"])[0]
    assert f'\n{name}{{resource="{resource}"}} ' in metrics


def test_the_images_check_of_health_succeeds_only_while_the_server_serves(
    observed: ServerProcess,
) -> None:
    (check,) = re.findall(
        r"^HEALTHCHECK.*\\\n +CMD (\[.*\])$", DOCKERFILE.read_text(), re.MULTILINE
    )
    program, option, code = json.loads(check)
    assert (program, option) == ("python", "-c")
    address = re.search(r"127\.0\.0\.1:\d+", code)
    assert address
    here = code.replace(address[0], observed.flags[1])
    nowhere = code.replace(address[0], f"127.0.0.1:{free_port()}")
    outcomes = [
        subprocess.run([sys.executable, "-c", text], capture_output=True, check=False).returncode
        for text in (here, nowhere)
    ]
    assert outcomes == [0, 1]
