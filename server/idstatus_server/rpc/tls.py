"""Who may speak to the server without TLS, and TLS for all others."""

import logging
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import grpc

from idstatus_server.addresses import is_loopback
from idstatus_server.errors import StartError

_log = logging.getLogger(__name__)

# gRPC frees the certificate that is replaced, although a handshake in another thread may just be
# about to use it (grpc/grpc#36693). So it gets the new one so much later, in seconds.
_IN_USE = 0.1


class Certificates:
    """A certificate, its key and the authorities of clients, as their files last had them.

    The files are read again at each handshake. What cannot be used, as a certificate whose key is
    still to come, does not count: the log says so once, and what was used before stays in use.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        """Read files in PEM; with ``client_ca``, clients must have a certificate of one of those.

        Raises:
            StartError: they cannot be used.
        """
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._lock = Lock()  # handshakes have threads of their own
        self._trouble = ""
        self._pems = self._read()
        self._newest = self._checked(self._pems)

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials for one port; gRPC keeps for each port what it was last given."""
        given = self._newest

        def renewed() -> grpc.ServerCertificateConfiguration | None:
            """Return what is new for this port; gRPC calls this at each handshake, one by one."""
            nonlocal given
            newest = self._renew()
            if newest is given:
                return None
            time.sleep(_IN_USE)
            given = newest
            return given

        return grpc.dynamic_ssl_server_credentials(
            given,
            renewed,  # type: ignore[arg-type]  # the stubs do not know None, for nothing new
            require_client_authentication=self._client_ca is not None,
        )

    def _renew(self) -> grpc.ServerCertificateConfiguration:
        with self._lock:
            try:
                pems = self._read()
                if pems != self._pems:
                    self._newest = self._checked(pems)
                    self._pems = pems
                    _log.info("%s or what goes with it is new, and is used now", self._certificate)
                self._trouble = ""
            except StartError as error:
                if str(error) != self._trouble:
                    _log.warning("%s: what was used before stays in use", error)
                self._trouble = str(error)
            return self._newest

    def _read(self) -> tuple[bytes, bytes, bytes | None]:
        try:
            client_ca = self._client_ca.read_bytes() if self._client_ca else None
            return self._key.read_bytes(), self._certificate.read_bytes(), client_ca
        except OSError as error:
            raise StartError(f"cannot read {error.filename}: {error.strerror}") from error

    def _checked(
        self, pems: tuple[bytes, bytes, bytes | None]
    ) -> grpc.ServerCertificateConfiguration:
        """Return what was just read for gRPC, which would not say what is wrong with it.

        If the files change in between, the next handshake finds that they are others.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            for path in filter(None, (self._client_ca, self._certificate)):
                fault = f"{path} has no certificate in PEM"
                context.load_verify_locations(path)
            fault = f"{self._key} has no key in PEM, without a password, for {self._certificate}"
            # Were no password given, one would be asked for at the terminal.
            context.load_cert_chain(self._certificate, self._key, password="")
        except OSError as error:
            raise StartError(fault) from error
        key, certificate, client_ca = pems
        return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)


@dataclass(frozen=True, slots=True)
class Door:
    """How clients come in at a port.

    With certificates it speaks TLS. Without, it is for clients on this machine, or on a network
    where nobody else listens, as the operator says by ``insecure``.
    """

    certificates: Certificates | None = None
    insecure: bool = False

    def check(self, address: str, host: str) -> None:
        """Refuse to serve other machines without TLS.

        Raises:
            StartError: it is neither set up nor waived.
        """
        if not (self.certificates or self.insecure or is_loopback(host)):
            raise StartError(
                f"cannot listen on {address} without TLS, for others could read and change what "
                "passes: set --tls-cert and --tls-key, or --insecure if you trust the network"
            )

    def open(self, server: grpc.aio.Server, address: str) -> int:
        """Let a server listen at a TCP address; return the port.

        Raises:
            RuntimeError: gRPC cannot listen there.
        """
        if self.certificates:
            return server.add_secure_port(address, self.certificates.credentials())
        return server.add_insecure_port(address)
