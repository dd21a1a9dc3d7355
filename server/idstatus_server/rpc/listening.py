"""Where the server listens: TCP addresses and unix sockets."""

import os
import socket
from pathlib import Path

import grpc

from idstatus_server.errors import StartError

_UNIX = "unix:"


def listen(server: grpc.aio.Server, address: str) -> str:
    """Bind an address and return it with the port that it got.

    Raises:
        StartError: it is malformed or taken; the message tells why in one line.
    """
    if address.startswith(_UNIX):
        _check_socket(Path(address.removeprefix(_UNIX).replace("//", "", 1)))
        server.add_insecure_port(address)
        return address
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise StartError(f"cannot listen on {address}: it must be HOST:PORT or unix:PATH")
    _check_port(address, host.strip("[]"), int(port))
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise StartError(f"cannot listen on {address}: {error}") from error
    return f"{host}:{bound}"


def _check_port(address: str, host: str, port: int) -> None:
    """Try the address ourselves: the system's own words are clearer than gRPC's."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, where = found[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(where)
            trial.listen()
    except OSError as error:
        raise StartError(f"cannot listen on {address}: {error.strerror}") from error


def _check_socket(path: Path) -> None:
    """Refuse a socket that is served; remove one that a dead server left."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as trial:
            if trial.connect_ex(str(path)) == 0:
                raise StartError(f"cannot listen on {path}: another server does")
        path.unlink()
    if not os.access(path.parent, os.W_OK):
        raise StartError(f"cannot listen on {path}: the folder is not writable")
