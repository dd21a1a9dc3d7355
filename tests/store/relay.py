"""Stands before a database as proxies do: with TLS, or in silence."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_Meet = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _listening(meet: _Meet) -> AsyncIterator[int]:
    """Let clients be met on a port of localhost; those still there at the end are dropped."""
    meetings = set()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, EOFError):  # a client may leave, or not like our certificate
                await meet(reader, writer)
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        meetings.add(asyncio.create_task(hold(reader, writer)))

    server = await asyncio.start_server(begin, "localhost", 0, family=socket.AF_INET)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for meeting in meetings:
            meeting.cancel()
        await asyncio.gather(*meetings, return_exceptions=True)


@asynccontextmanager
async def tls_before(path: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Speak TLS on a port, as a server with ssl=on does, and pass it on to a unix socket."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == _SSL_REQUEST
        writer.write(b"S")
        await writer.start_tls(context)
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))

    async with _listening(meet) as port:
        yield port


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def silence() -> AsyncIterator[int]:
    """Accept connections on a port, and never say a word."""

    async def meet(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with _listening(meet) as port:
        yield port
