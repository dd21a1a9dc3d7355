"""The HTTP port: it answers what it should, and nobody who is slow or wrong does harm."""

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from metrics.seen import WatchedServer
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed

from harness import free_port
from idstatus_server.metrics.http import Answer, HttpServer

HUGE = b"x" * 50_000_000


async def fine(accept: str) -> Answer:
    return Answer(f"fine, {accept}".encode())


async def huge(_: str) -> Answer:
    return Answer(HUGE)


async def broken(_: str) -> Answer:
    raise ZeroDivisionError


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(autouse=True)
async def pages(port: int) -> AsyncIterator[HttpServer]:
    """A server of pages that gives each connection half a second."""
    server = HttpServer({"/fine": fine, "/huge": huge, "/broken": broken}, patience=0.5)
    await server.start("127.0.0.1", port)
    yield server
    server.close()


async def said(port: int, request: bytes) -> bytes:
    """Send a request and return all that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def status(port: int, request: bytes) -> int:
    return int((await said(port, request)).split(b" ")[1])


async def test_get_has_the_page_and_head_its_size_only(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.get("/fine?query", headers={"Accept": "text/lettuce"})
        assert (answer.status_code, answer.text) == (200, "fine, text/lettuce")
        head = await client.head("/fine")
        assert (head.content, head.headers["content-length"]) == (b"", str(len("fine, */*")))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
        (b"POST /fine HTTP/1.1\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /fi\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET /fine HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 400),
        (b"GET /fine HTTP/1.1\r\nA: " + b"b" * 10_000 + b"\r\n\r\n", 400),
        (b"\x16\x03\x01" + b"\0" * 10_000, 400),
    ],
    ids=["no page", "no method", "nonsense", "not ASCII", "many headers", "a long header", "TLS"],
)
async def test_a_wrong_request_is_told_so(port: int, request_: bytes, code: int) -> None:
    assert await status(port, request_) == code


async def test_a_page_that_fails_is_an_error_and_the_log_says_why(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert await status(port, b"GET /broken HTTP/1.1\r\n\r\n") == 500
    assert "/broken failed" in caplog.text


async def test_who_does_not_finish_the_request_is_shown_out(port: int) -> None:
    assert await said(port, b"GET /fine HTTP/1.1\r\n") == b""


async def test_who_does_not_read_the_answer_is_shown_out(pages: HttpServer, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    writer.write(b"GET /huge HTTP/1.1\r\n\r\n")
    while not pages.connections:
        await asyncio.sleep(0)
    while pages.connections:
        await asyncio.sleep(0.01)
    received = 0
    try:
        while part := await reader.read(1 << 20):
            received += len(part)
    except ConnectionError:
        pass
    assert received < len(HUGE)
    writer.close()


async def test_a_crowd_is_bounded_and_once_it_is_gone_others_are_served() -> None:
    patient = HttpServer({"/fine": fine}, patience=60)
    port = int((await patient.start("127.0.0.1", 0)).rpartition(":")[2])
    crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(64)]
    assert await said(port, b"GET /fine HTTP/1.1\r\n\r\n") == b""
    for _, writer in crowd:
        writer.close()
    while patient.connections:
        await asyncio.sleep(0.01)
    assert await status(port, b"GET /fine HTTP/1.1\r\n\r\n") == 200
    patient.close()


def test_a_server_lives_and_serves(busy: WatchedServer) -> None:
    for path in ("/healthz", "/readyz"):
        answer = busy.get(path)
        assert (answer.status_code, answer.text) == (200, "ok\n")


def test_who_accepts_openmetrics_gets_it(busy: WatchedServer) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = httpx.get(f"http://{busy.watched}/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "idstatus_tasks" in {family.name for family in parsed(answer.text)}
    plain = busy.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "_created" not in plain.text + answer.text
