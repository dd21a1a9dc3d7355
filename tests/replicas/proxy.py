"""A proxy before PostgreSQL's unix socket: it counts, and loses what a test wants it to lose."""

import asyncio
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

_COMMIT = b"COMMIT"
# What only a commit that changes tasks has said before.
_TASK = b'"transitions":'
_SOCKET = ".s.PGSQL.5432"


class Proxy:
    """Passes everything on; of the next commit it may lose the order, or the answer to it.

    With ``hushed``, those who listen hear nothing more. ``requests`` counts what the server
    has sent, a round trip at a time.
    """

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        self._target = Path(parse_qs(parts.query)["host"][0]) / _SOCKET
        self._path = folder / _SOCKET
        self.url = urlunsplit(parts._replace(query=f"host={folder}"))
        self.lost = 0
        self.requests = 0
        self.hushed = False
        self.delay = 0.0
        self.direct = url
        self.lose_order = self.lose_answer = False
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    def slow(self, delay: float) -> None:
        """Let each piece of an answer take so many seconds longer."""
        self.delay = delay

    async def stop(self) -> None:
        """Break every connection and accept no more."""
        loop = asyncio.get_running_loop()
        for listener in self._server.sockets:
            loop.remove_reader(listener.fileno())
        await asyncio.sleep(0.01)  # else what was accepted and not served yet stays open
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving
        self._serving.add(serving)
        self._open.add(writer)
        try:
            await self._join(reader, writer)
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._serving.discard(serving)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await asyncio.open_unix_connection(self._target)
        except OSError:  # the database is gone
            return
        link = Link(self, writer, reader, *far)
        self._open |= link.ends
        pumps = {asyncio.create_task(link.outwards()), asyncio.create_task(link.inwards())}
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in link.ends:
            end.transport.abort()
        await asyncio.wait(pumps)
        self._open -= link.ends


class Link:
    """One connection: what the server says, outwards, and what it is told, inwards."""

    def __init__(
        self,
        proxy: Proxy,
        writer: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        self.ends = {writer, far_writer}
        self._proxy = proxy
        self._near = (reader, writer)
        self._far = (far_reader, far_writer)
        self._deaf = self._listens = False
        self._said = bytearray()

    async def outwards(self) -> None:
        source, target = self._near[0], self._far[1]
        with suppress(ConnectionError):
            while data := await source.read(65536):
                self._proxy.requests += 1
                self._listens = self._listens or b"LISTEN" in data
                self._said += data
                if _COMMIT in data:
                    changes = _TASK in self._said
                    self._said.clear()
                    if changes and self._proxy.lose_order:
                        self._proxy.lose_order = False
                        self._proxy.lost += 1
                        return
                    if changes and self._proxy.lose_answer:
                        self._proxy.lose_answer = False
                        self._deaf = True
                target.write(data)

    async def inwards(self) -> None:
        source, target = self._far[0], self._near[1]
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if self._deaf:
                    self._proxy.lost += 1
                    return
                if self._proxy.delay:
                    await asyncio.sleep(self._proxy.delay)
                if not (self._listens and self._proxy.hushed):
                    target.write(data)
