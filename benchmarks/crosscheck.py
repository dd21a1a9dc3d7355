"""The load of `get` made by h2load, a stock tool, to see whether our own says the same."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import floor
import servers
from contest import AbsentError, Act, Meter, Sample, Setting
from unary import CALLERS, CONNECTIONS, GET, create_many, empty_call
from wire import Wire

from idstatus.v1 import task_service_pb2 as t

_HEADERS = ("-H", "content-type: application/grpc", "-H", "te: trailers")


def h2load(at: Setting, name: str, server: servers.Server, path: str, request: bytes) -> Sample:
    """Let it load a server; return how many requests a second it says were answered."""
    with tempfile.NamedTemporaryFile() as body:
        Path(body.name).write_bytes(b"\0" + len(request).to_bytes(4) + request)
        flags = ("--warm-up-time=300ms", "-c", f"{CONNECTIONS}", "-m", f"{CALLERS // CONNECTIONS}")
        where = ("-d", body.name, f"http://{server.address}{path}")
        command = ("h2load", f"-D{at.seconds * 1000:.0f}ms", *flags, *_HEADERS, *where)
        with Meter(server) as meter:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = re.search(r"finished in .*?, ([\d.]+) req/s", done.stdout)
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
    assert said, done.stdout
    assert failed, done.stdout
    assert failed.groups() == ("0", "0", "0"), done.stdout
    return replace(meter.sample({name: float(said[1])}), load=None)


@contextmanager
def get(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
    """Ask for the status of one task."""
    if not shutil.which("h2load"):
        raise AbsentError("h2load is not installed (package nghttp2-client)")
    with (
        servers.idstatus(at.store(), at.server_cores) as ours,
        servers.floor(at.server_cores) as bare,
    ):
        with Wire(ours.address) as wire:
            (task_id,) = create_many(wire, 1)
            request = t.GetIdStatusRequest(id=task_id).SerializeToString()
            same = empty_call(request, wire.ask(GET, request))
        yield (
            lambda: h2load(at, name, ours, GET, request),
            lambda: h2load(at, name, bare, floor.ANSWER, same),
        )
