"""The Python examples, as programs of their own, against a real server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness import ServerProcess
from idstatus import Client, Status

EXAMPLES = Path(__file__).parents[2] / "examples"
LETTER = {"to": "ann", "text": "hello"}
KEY = {"Idempotency-Key": "letter-1"}


@pytest.fixture
def http(shared_server: ServerProcess) -> Iterator[httpx.Client]:
    """Speaks HTTP with the service, which ends in order after the test."""
    command = ("uvicorn", "--app-dir", EXAMPLES / "fastapi", "--port", "0", "app:app")
    service = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, "IDSTATUS_ADDRESS": shared_server.address},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert service.stderr
    log = ""
    while not (running := re.search(r"running on (\S+)", log)):
        log += (line := service.stderr.readline())
        assert line, log
    with httpx.Client(base_url=running[1], timeout=60) as client:
        yield client
    service.terminate()
    _, log = service.communicate(timeout=60)
    assert "Application shutdown complete" in log
    assert "Traceback" not in log


def events(http: httpx.Client, path: str, last: str = "") -> tuple[list[str], list[str]]:
    """Return what a browser is told until the end, and the ids by which it could go on."""
    with http.stream("GET", path, headers={"Last-Event-ID": last}) as told:
        assert told.headers["content-type"].startswith("text/event-stream")
        lines = [line.partition(": ") for line in told.iter_lines()]
    names = [value for field, _, value in lines if field == "event"]
    return names, [value for field, _, value in lines if field == "id"]


def test_a_letter_is_sent_and_a_browser_is_told_live(
    http: httpx.Client, shared_server: ServerProcess
) -> None:
    created = http.post("/letters", json=LETTER, headers=KEY)
    again = http.post("/letters", json=LETTER, headers=KEY)
    assert created.status_code == 202
    path = f"/letters/{created.json()['id']}"
    assert again.json()["id"] == created.json()["id"]
    reused = http.post("/letters", json={**LETTER, "to": "bob"}, headers=KEY)
    assert (reused.status_code, "REQUEST_ID_REUSED" in reused.text) == (409, True)
    names, ids = events(http, f"{path}/events")
    assert names[-1] == "success"
    assert http.get(path).json()["result"] == {"to": "ann", "characters": 5}
    # A browser that comes back with the first id is told the rest, and with the last one nothing.
    assert events(http, f"{path}/events", ids[0])[0] == names[1:]
    assert events(http, f"{path}/events", ids[-1])[0] == []
    # One whose id counts no more is told what stands.
    assert events(http, f"{path}/events", "of another store")[0] == ["success"]
    with Client(shared_server.address) as client:
        assert client.status(created.json()["id"]).status is Status.SUCCESS
    too_late = http.delete(path)
    assert (too_late.status_code, "TASK_FINISHED" in too_late.text) == (409, True)


def test_a_letter_that_waits_is_called_off_and_an_unknown_one_is_not_found(
    http: httpx.Client, shared_server: ServerProcess
) -> None:
    with Client(shared_server.address) as client:
        task = client.create(LETTER, queue="letters", delay=3600)
    cancelled = http.delete(f"/letters/{task.id}").json()
    assert (cancelled["status"], cancelled["execution"]) == ("cancelled", "not_started")
    for path in ("/letters/unknown", "/letters/unknown/events"):
        assert http.get(path).status_code == 404


def test_the_asyncio_program_tells_what_came_of_its_work(server: ServerProcess) -> None:
    program = EXAMPLES / "asyncio" / "app.py"
    done = subprocess.run(
        [sys.executable, program, server.address], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"end \d .*", done.stdout) == [
        'end 0 success {"total":18.0}',
        'end 1 success {"total":8.5}',
        "end 2 error nobody ordered ink",
        "end 3 success <page>one</page><page>two</page>",
    ]
