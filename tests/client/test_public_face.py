import inspect
import re
import subprocess
import sys
from pathlib import Path

import idstatus
from idstatus import errors, methods
from idstatus.v1 import queue_service_pb2, runner_service_pb2, task_service_pb2

SERVICES = (
    task_service_pb2.DESCRIPTOR.services_by_name["TaskService"],
    runner_service_pb2.DESCRIPTOR.services_by_name["RunnerService"],
    queue_service_pb2.DESCRIPTOR.services_by_name["QueueService"],
)


def test_every_public_name_is_listed_in_all() -> None:
    present = {
        name
        for name, value in vars(idstatus).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert present == set(idstatus.__all__)


def test_both_clients_have_the_same_methods() -> None:
    def public(client: type) -> set[str]:
        return {name for name in dir(client) if not name.startswith("_")}

    assert public(idstatus.Client) == public(idstatus.AsyncClient)


def test_a_bound_method_shows_its_signature_and_its_docstring() -> None:
    with idstatus.Client() as client:
        assert list(inspect.signature(client.status).parameters) == ["task_id", "rpc_timeout"]
        assert "cheapest way" in (client.status.__doc__ or "")


def test_every_rpc_of_the_schema_is_reachable() -> None:
    package = Path(inspect.getfile(idstatus)).parent
    folders = (Path(inspect.getfile(methods)).parent, package / "watch", package / "runner")
    source = "".join(path.read_text() for folder in folders for path in folder.glob("*.py"))
    called = set(re.findall(r"\bstubs?\.(?:\w+\.)?([A-Z]\w+)", source))
    assert called == {method.name for service in SERVICES for method in service.methods}


def test_the_tree_of_exceptions_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"^([│ ├└─]*)(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    path: list[str] = []
    for indent, name in drawn:
        depth = len(indent) // 4
        path[depth:] = [name]
        assert depth == 0 or getattr(errors, path[depth - 1]) in getattr(errors, name).__bases__
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert {name for _, name in drawn} == {name for name in defined if name.endswith("Error")}


def test_importing_the_package_loads_no_part_of_the_command_line_or_the_server() -> None:
    code = "import idstatus, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    heavy = {"typer", "rich", "click", "msgspec", "idstatus_server", "idstatus.cli"}
    assert heavy.isdisjoint(loaded.decode().split())
