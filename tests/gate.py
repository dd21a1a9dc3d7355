"""A door with TLS before a server: it lets in who has the token and a certificate."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from certificates import Certificates

TOKEN = "sesame"  # noqa: S105  # no secret


@dataclass
class Gate(grpc.GenericRpcHandler):
    """Passes calls on to the server behind it, byte by byte."""

    behind: grpc.Channel
    address: str = ""
    callers: list[str] = field(default_factory=list)
    """Of each call, the name in the client's certificate."""

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


@contextmanager
def gate_before(address: str, certificates: Certificates) -> Iterator[Gate]:
    """Open a gate before the server at an address."""
    with grpc.insecure_channel(address) as behind, ThreadPoolExecutor(8) as pool:
        gate = Gate(behind)
        server = grpc.server(pool, [gate])
        pair = certificates.server_key.read_bytes(), certificates.server_cert.read_bytes()
        root = Path(certificates.ca).read_bytes()
        credentials = grpc.ssl_server_credentials([pair], root, require_client_auth=True)
        port = server.add_secure_port("localhost:0", credentials)
        gate.address = f"localhost:{port}"
        server.start()
        yield gate
        server.stop(None).wait()
