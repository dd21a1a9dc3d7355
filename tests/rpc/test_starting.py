"""A server that cannot start says why in one line."""

import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rpc.wire import Api, refused

from harness import SERVER, ServerProcess, free_port

pytestmark = pytest.mark.sqlite

LIMIT = 20.0


def start(*flags: str, **variables: str) -> tuple[int, str]:
    """Return how a server that must not start ended, and what it said."""
    with subprocess.Popen(
        [*SERVER, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    ) as process:
        assert process.stdout
        announced = process.stdout.readline()
        if announced:
            process.kill()
        _, said = process.communicate(timeout=LIMIT)
    assert announced == ""
    assert "Traceback" not in said
    return process.returncode, said


def one_line(*flags: str) -> str:
    """Return the one line that a server said as it failed to start."""
    status, said = start("--listen", f"127.0.0.1:{free_port()}", *flags)
    assert status == 1
    (line,) = said.splitlines()
    assert line.startswith("idstatus-server: ")
    return line


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "idstatus.db"


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield f"127.0.0.1:{other.getsockname()[1]}"


def test_a_port_in_use(store: Path, taken: str) -> None:
    said = one_line("--listen", taken, "--store", f"sqlite:///{store}")
    assert taken in said
    assert "in use" in said


def test_a_port_for_metrics_in_use(store: Path, taken: str) -> None:
    said = one_line("--metrics-listen", taken, "--store", f"sqlite:///{store}")
    assert taken in said
    assert "in use" in said


@pytest.mark.parametrize(
    "address", ["nonsense", "127.0.0.1", "127.0.0.1:99999", ":", "no.such.host.invalid:5000"]
)
def test_an_address_that_is_none(store: Path, address: str) -> None:
    assert address in one_line("--listen", address, "--store", f"sqlite:///{store}", "--insecure")


@pytest.mark.parametrize("address", ["", ",", " "])
def test_no_address_at_all(store: Path, address: str) -> None:
    status, said = start("--listen", address, "--store", f"sqlite:///{store}")
    assert status != 0
    assert "listen" in said


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    said = one_line("--store", f"sqlite:///{blocker}/folder/idstatus.db")
    assert str(blocker) in said


def test_a_folder_under_a_file(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    assert str(blocker) in one_line("--store", f"sqlite:///{blocker}/idstatus.db")


def test_a_folder_that_cannot_be_written() -> None:
    assert "/proc" in one_line("--store", "sqlite:////proc/idstatus.db")


def test_a_store_that_is_a_folder(tmp_path: Path) -> None:
    assert str(tmp_path) in one_line("--store", f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:////"])
def test_a_store_without_a_name(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, said = start("--listen", f"127.0.0.1:{free_port()}", "--store", url)
    assert status != 0
    assert said


def made(store: Path) -> None:
    """Make a database of ours."""
    ServerProcess(store.parent).start().kill()
    with closing(sqlite3.connect(store)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_store_that_another_server_uses(shared_server: ServerProcess) -> None:
    assert "in use by another idstatus-server" in one_line("--store", shared_server.store)


def test_a_database_that_is_locked(store: Path) -> None:
    made(store)
    with closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        said = one_line("--store", f"sqlite:///{store}")
        db.execute("ROLLBACK")
    assert str(store) in said
    assert "locked" in said


def test_a_database_of_another_program(store: Path) -> None:
    with closing(sqlite3.connect(store)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
        db.commit()
    before = store.read_bytes()
    said = one_line("--store", f"sqlite:///{store}")
    assert str(store) in said
    assert "another program" in said
    assert store.read_bytes() == before


def test_a_database_of_a_newer_version(store: Path) -> None:
    made(store)
    with closing(sqlite3.connect(store)) as db:
        db.execute("PRAGMA user_version = 99")
    said = one_line("--store", f"sqlite:///{store}")
    assert str(store) in said
    assert "99" in said
    assert "newer" in said


def test_a_file_that_is_no_database(store: Path) -> None:
    store.write_bytes(b"this is a shopping list, not a database\n" * 100)
    before = store.read_bytes()
    assert str(store) in one_line("--store", f"sqlite:///{store}")
    assert store.read_bytes() == before


def test_a_database_that_was_cut_off(store: Path) -> None:
    made(store)
    store.write_bytes(store.read_bytes()[:3000])
    assert str(store) in one_line("--store", f"sqlite:///{store}")


BAD_FLAGS = [
    ("--no-such-flag",),
    ("--store", "mysql://x"),
    ("--store", "/just/a/path"),
    ("--grace", "soon"),
    ("--grace", "-1s"),
    ("--retention", "7 days"),
    ("--retention", "99999999999d"),
    ("--log-retention", "99999999999d"),
    ("--max-batch", "0"),
    ("--max-batch", "-3"),
    ("--max-batch", "many"),
    ("--store-connections", "0"),
    ("--log-level", "loud"),
    ("--log-format", "xml"),
    ("--metrics-listen", "9464"),
    ("stray",),
]


@pytest.mark.parametrize("flags", BAD_FLAGS, ids=" ".join)
def test_a_bad_flag(store: Path, flags: tuple[str, ...]) -> None:
    address = ("--listen", f"127.0.0.1:{free_port()}")
    status, said = start(*address, "--store", f"sqlite:///{store}", *flags)
    assert status == 2
    last = said.splitlines()[-1]
    assert last.startswith("idstatus-server: error: ")
    assert flags[0].removeprefix("--") in last


def test_a_bad_variable() -> None:
    status, said = start(IDSTATUS_GRACE="soon")
    assert status == 2
    assert "--grace" in said.splitlines()[-1]


async def test_variables_are_flags_by_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDSTATUS_MAX_BATCH", "2")
    server = ServerProcess(tmp_path).start()
    async with Api.at(server.address) as api:
        await api.create_many(2, "q")
        assert (await refused(api.create_many(3, "q"))).fields == ["requests"]
    server.kill()


def test_help_names_each_flag_with_its_variable() -> None:
    done = subprocess.run(
        [*SERVER, "--help"], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    flags = [flag for flag, *_ in BAD_FLAGS[1:] if flag.startswith("--")]
    for flag in flags:
        assert flag in done.stdout
        assert "IDSTATUS_" + flag[2:].upper().replace("-", "_") in done.stdout
