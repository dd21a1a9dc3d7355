"""Certificates for TLS, as files."""

import socket
import ssl
from pathlib import Path

import grpc
import trustme

from idstatus import tls_credentials


class Certificates:
    """An authority, and what it has signed for a server on this machine and for a client."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.server_cert, self.server_key = folder / "server.crt", folder / "server.key"
        self.ca, self.cert, self.key = (str(folder / name) for name in ("ca", "cert", "key"))
        self._authority.cert_pem.write_to_path(self.ca)
        client = self._authority.issue_cert("client.example")
        client.cert_chain_pems[0].write_to_path(self.cert)
        client.private_key_pem.write_to_path(self.key)
        self.renew()

    def renew(self) -> None:
        """Give the server a certificate and a key that it has not had before."""
        server = self._authority.issue_cert("localhost", "127.0.0.1")
        self.server_cert.write_bytes(server.cert_chain_pems[0].bytes())
        self.server_key.write_bytes(server.private_key_pem.bytes())

    @property
    def newest(self) -> bytes:
        """The server's certificate, in DER."""
        return ssl.PEM_cert_to_DER_cert(self.server_cert.read_text())

    def shown_at(self, address: str) -> bytes:
        """Return the certificate that a new connection is shown, in DER."""
        context = ssl.create_default_context(cafile=self.ca)
        context.set_alpn_protocols(["h2"])
        host, port = address.split(":")
        with (
            socket.create_connection((host, int(port))) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            certificate = connection.getpeercert(binary_form=True)
        assert certificate
        return certificate

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        """What the client has."""
        return tls_credentials(ca=self.ca, certificate=self.cert, key=self.key)

    @property
    def flags(self) -> tuple[str, ...]:
        """What a server is started with to speak TLS."""
        return ("--tls-cert", str(self.server_cert), "--tls-key", str(self.server_key))

    @property
    def mutual_flags(self) -> tuple[str, ...]:
        """The same for one that asks its clients for a certificate, too."""
        return (*self.flags, "--tls-client-ca", self.ca)
