"""Where the server listens: TCP addresses and unix sockets."""

import os
import socket
from pathlib import Path

import grpc

from idstatus_server.addresses import host_and_port
from idstatus_server.errors import StartError
from idstatus_server.rpc.tls import Door

_UNIX = "unix:"


def listen(server: grpc.aio.Server, address: str, door: Door, *, shared: bool = False) -> str:
    """Bind an address and return it with the port that it got.

    With ``shared`` the port is held for this process and others by their parent. A unix socket
    does without TLS, since nothing leaves the machine.

    Raises:
        StartError: it is malformed, taken or not safe; the message tells why in one line.
    """
    if address.startswith(_UNIX):
        _check_socket(Path(address.removeprefix(_UNIX).replace("//", "", 1)))
        server.add_insecure_port(address)
        return address
    host, port = _host_and_port(address)
    door.check(address, host)
    if not shared:
        _listen_alone(address, host, port).close()
    try:
        bound = door.open(server, address)
    except RuntimeError as error:
        raise StartError(f"cannot listen on {address}: {error}") from error
    return f"{host}:{bound}"


def hold(address: str, door: Door) -> tuple[socket.socket, str]:
    """Keep a port for processes that will share it; return what keeps it, and the address.

    What keeps it is bound and does not listen, so no connection is sent to it. Whoever
    wants the port for itself is refused, whether or not a process listens just now.

    Raises:
        StartError: as for ``listen``; or it is a unix socket.
    """
    if address.startswith(_UNIX):
        raise StartError(
            f"cannot listen on {address} with several workers: a unix socket belongs to one "
            "process, a port can be shared"
        )
    host, port = _host_and_port(address)
    door.check(address, host)
    if not port:  # a port that was not asked for by its number is lost with the shutdown below
        with _listen_alone(address, host, 0) as trial:
            port = trial.getsockname()[1]
    # To begin by listening alone decides between two servers that start at the same time.
    holder = _listen_alone(address, host, port)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.shutdown(socket.SHUT_RDWR)
    return holder, f"{host}:{port}"


def _host_and_port(address: str) -> tuple[str, int]:
    found = host_and_port(address)
    if not found:
        raise StartError(f"cannot listen on {address}: it must be HOST:PORT or unix:PATH")
    return found


def _listen_alone(address: str, host: str, port: int) -> socket.socket:
    """Try the address ourselves: the system's own words are clearer than gRPC's."""
    try:
        found = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, where = found[0]
        trial = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"cannot listen on {address}: {error.strerror}") from error
    try:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(where)
        trial.listen()
    except OSError as error:
        trial.close()
        raise StartError(f"cannot listen on {address}: {error.strerror}") from error
    return trial


def _check_socket(path: Path) -> None:
    """Refuse a socket that is served; remove one that a dead server left."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as trial:
            if trial.connect_ex(str(path)) == 0:
                raise StartError(f"cannot listen on {path}: another server does")
        path.unlink()
    if not os.access(path.parent, os.W_OK):
        raise StartError(f"cannot listen on {path}: the folder is not writable")
