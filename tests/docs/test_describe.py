"""`grpcurl describe` alone teaches the API: no document beside it, no file of the schema."""

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpcurl

from harness import ServerProcess

STOCK = ("grpc.channelz.", "grpc.health.", "grpc.reflection.")
"""What every gRPC server may have, and its own project describes."""

DECLARED = re.compile(r"^ *(?!reserved )[^/\s}].*[{;]")
OPTION = re.compile(r"^ *option .*?;$", re.MULTILINE | re.DOTALL)
TYPE = re.compile(r"(?<=\s)\.(\w+(?:\.\w+)+)")


def asked(server: ServerProcess, *words: str, flags: str = "") -> str:
    """Return what grpcurl says of a server, and fail if it complains."""
    said = grpcurl.printed(f"grpcurl -plaintext {flags} {server.address} {' '.join(words)}")
    assert not re.match("Failed|Error", said), said
    return said


def described(server: ServerProcess) -> dict[str, str]:
    """Describe every service but the stock ones, and then every type that was named."""
    services = asked(server, "list").split()
    wanted = {name for name in services if not name.startswith(STOCK)}
    texts: dict[str, str] = {}
    with ThreadPoolExecutor(8) as askers:
        while wanted:
            found = askers.map(lambda name: asked(server, "describe", name), sorted(wanted))
            texts |= dict(zip(sorted(wanted), found, strict=True))
            wanted = {name for text in texts.values() for name in TYPE.findall(text)} - texts.keys()
    return texts


def uncommented(text: str) -> list[str]:
    """Return the lines that declare something with no comment above."""
    lines = [line for line in OPTION.sub("", text).splitlines() if line.strip()]
    return [
        line.strip()
        for above, line in zip(["", *lines], lines, strict=False)
        if DECLARED.match(line) and not above.strip().startswith("//")
    ]


def test_everything_that_can_be_reached_from_the_list_is_commented(
    shared_server: ServerProcess,
) -> None:
    texts = described(shared_server)
    assert {
        f"idstatus.v1.{name}" for name in ("TaskService", "Status", "TaskChange.Type")
    } < texts.keys()
    assert {name: lacks for name, text in texts.items() if (lacks := uncommented(text))} == {}


def test_what_has_no_comment_is_found() -> None:
    text = "a.B is a message:\n// B.\nmessage B {\n  // One.\n  int32 one = 1;\n  a.C two = 2;\n}\n"
    assert uncommented(text) == ["a.C two = 2;"]


def call_that(does: str, text: str) -> tuple[str, str]:
    """Return the method whose comment begins so, and its request."""
    found = re.search(rf"// {does}.*?rpc (\w+) \( \.([\w.]+) \)", text, re.DOTALL)
    assert found, text
    return found[1], found[2]


def test_a_newcomer_comes_from_the_list_to_a_first_task_and_what_became_of_it(
    server: ServerProcess,
) -> None:
    texts = {name: asked(server, "describe", name) for name in asked(server, "list").split()}
    (service,) = [name for name, text in texts.items() if "// Creates tasks" in text]
    method, request = call_that("Creates a task", texts[service])
    template = json.loads(
        asked(server, "describe", request, flags="-msg-template").split(":\n")[-1]
    )
    filled_in = template | {"queue": "mail", "payload": "aGVsbG8="}
    refusal = json.loads(call(server, service, method, filled_in))
    faulty = {name.partition(".")[0] for name in fields_at_fault(refusal)}
    assert faulty == {"labels", "timeout", "retry_policy"}
    task = json.loads(call(server, service, method, without(faulty, filled_in)))["task"]
    assert (task["queue"], task["status"]) == ("mail", "STATUS_QUEUED")
    method, _ = call_that("Returns a task's status", texts[service])
    became = json.loads(call(server, service, method, {"id": task["id"]}))["idStatus"]
    assert became["status"] == "STATUS_QUEUED"


def call(server: ServerProcess, service: str, method: str, request: dict[str, Any]) -> str:
    said = shlex.quote(json.dumps(request))
    line = f"grpcurl -plaintext -format-error -d {said} {server.address} {service}/{method}"
    return grpcurl.printed(line)


def fields_at_fault(refusal: dict[str, Any]) -> list[str]:
    (bad,) = [d for d in refusal["details"] if d["@type"].endswith("google.rpc.BadRequest")]
    return [violation["field"] for violation in bad["field_violations"]]


def without(fields: set[str], request: dict[str, Any]) -> dict[str, Any]:
    """Leave fields away; the template has their names in JSON's case."""
    return {name: v for name, v in request.items() if snake_case(name) not in fields}


def snake_case(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()
