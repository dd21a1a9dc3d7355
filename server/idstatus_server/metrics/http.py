"""A small HTTP server: each connection has one answer, and little time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from http.client import HTTPException, parse_headers
from io import BytesIO
from typing import NamedTuple

from idstatus_server.errors import StartError

_log = logging.getLogger(__name__)

# There may be so many connections, and so many bytes of a request.
_MOST, _MOST_BYTES = 64, 8192
TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    """What a page shows."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = TEXT


Page = Callable[[str], Awaitable[Answer]]
"""Makes the answer, given what the request accepts."""


class HttpServer:
    """Answers GET and HEAD of its pages, which are by path.

    A connection has ``patience`` seconds for all of it; ``connections`` counts those that are open.
    """

    def __init__(self, pages: Mapping[str, Page], patience: float = 10.0) -> None:
        self._pages = pages
        self._patience = patience
        self.connections = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and return where; a port 0 becomes the one that was given.

        Raises:
            StartError: the address is not to be had.
        """
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=_MOST_BYTES)
        except OSError as error:
            raise StartError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        given = self._server.sockets[0].getsockname()[1]
        return f"[{host}]:{given}" if ":" in host else f"{host}:{given}"

    def close(self) -> None:
        """Take no more connections; those that are open end with the process or their time."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.connections >= _MOST:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            async with asyncio.timeout(self._patience):
                writer.write(await self._reply(reader))
                writer.close()
                await writer.wait_closed()  # until its client has taken it
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # too slow, or gone
        finally:
            self.connections -= 1
            writer.transport.abort()

    async def _reply(self, reader: asyncio.StreamReader) -> bytes:
        """Read a request, and return the bytes of the answer."""
        method = ""
        try:
            first, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
            method, target, _ = first.decode("ascii").split(" ")
            accept = parse_headers(BytesIO(rest)).get("Accept", "")
        except (ValueError, HTTPException, asyncio.LimitOverrunError):
            answer = _plain(HTTPStatus.BAD_REQUEST)
        else:
            answer = await self._answer(method, target.partition("?")[0], accept)
        head = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
            f"Content-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        return head if method == "HEAD" else head + answer.body

    async def _answer(self, method: str, path: str, accept: str) -> Answer:
        if path not in self._pages:
            return _plain(HTTPStatus.NOT_FOUND)
        if method not in ("GET", "HEAD"):
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            return await self._pages[path](accept)
        except Exception:  # noqa: BLE001  # whoever asks must be told
            _log.exception("%s failed", path)
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)


def _plain(status: HTTPStatus) -> Answer:
    return Answer(f"{status.phrase}\n".encode(), status)
