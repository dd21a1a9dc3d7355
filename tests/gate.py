"""A door with TLS before a server: it lets in who has the token and, if it asks, a certificate."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import trustme

TOKEN = "sesame"  # noqa: S105  # no secret


@dataclass
class Gate(grpc.GenericRpcHandler):
    """Passes calls on to the server behind it, byte by byte."""

    behind: grpc.Channel
    address: str = ""
    callers: list[str] = field(default_factory=list)
    """Of each call, the name in the client's certificate, "" if it has shown none."""

    def service(self, handler_call_details: Any) -> "grpc.RpcMethodHandler[Any, Any]":
        def pass_on(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            if ("authorization", f"Bearer {TOKEN}") not in context.invocation_metadata():
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
            self.callers.append(b",".join(context.peer_identities() or ()).decode())
            call: Any = self.behind.stream_stream(handler_call_details.method)
            answers = call(requests)
            context.add_callback(answers.cancel)
            try:
                yield from answers
            except grpc.RpcError:
                context.set_trailing_metadata(answers.trailing_metadata())
                context.abort(answers.code(), answers.details())

        return grpc.stream_stream_rpc_method_handler(pass_on)


class Certificates:
    """An authority, and what it has signed, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca, self.cert, self.key = (str(folder / name) for name in ("ca", "cert", "key"))
        authority.cert_pem.write_to_path(self.ca)
        client = authority.issue_cert("client.example")
        client.cert_chain_pems[0].write_to_path(self.cert)
        client.private_key_pem.write_to_path(self.key)
        self._authority = authority

    def of_server(self, *, asks: bool) -> grpc.ServerCredentials:
        """Return what a server on localhost has; it may ask for the client's certificate."""
        own = self._authority.issue_cert("localhost", "127.0.0.1")
        pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
        root = self._authority.cert_pem.bytes() if asks else None
        return grpc.ssl_server_credentials([pair], root, require_client_auth=asks)


@contextmanager
def gate_before(address: str, certificates: Certificates, *, asks: bool = False) -> Iterator[Gate]:
    """Open a gate before the server at an address."""
    with grpc.insecure_channel(address) as behind, ThreadPoolExecutor(8) as pool:
        gate = Gate(behind)
        server = grpc.server(pool, [gate])
        port = server.add_secure_port("localhost:0", certificates.of_server(asks=asks))
        gate.address = f"localhost:{port}"
        server.start()
        yield gate
        server.stop(None).wait()
