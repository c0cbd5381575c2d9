"""TLS: certificates from files, reloaded when they change."""

import logging
import ssl
import threading
from pathlib import Path

import grpc

from partlens.runtime.config.sections import AccessSection
from partlens.runtime.sparse_log import SparseLog
from partlens.server.errors import CertificateError

_log = logging.getLogger(__name__)
_Stamp = tuple[tuple[int, int], ...]


class Certificates:
    """The server's certificate and key, and the authority for client certificates.

    Args:
        client_ca: None lets clients without a certificate connect.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._stamp: _Stamp = ()
        self._lock = threading.Lock()
        # Every connection looks at the files.
        self._broken = SparseLog(_log, logging.ERROR)

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials for a port; every new connection uses the files' current certificate.

        Raises:
            CertificateError: the files cannot be used.
        """
        configuration = self._read()
        return grpc.dynamic_ssl_server_credentials(
            configuration,
            self._read_again,  # type: ignore[arg-type]  # None means unchanged
            require_client_authentication=self._client_ca is not None,
        )

    def _read_again(self) -> grpc.ServerCertificateConfiguration | None:
        """The files' content if it has changed and is usable; None keeps the previous one."""
        with self._lock:
            try:
                return None if self._stamp == self._now() else self._read()
            except (OSError, CertificateError) as error:
                # The file may be half written: keep the certificate that works.
                self._broken.write("cannot reload the certificate: %s", error)
                return None

    def _read(self) -> grpc.ServerCertificateConfiguration:
        try:
            stamp = self._now()
            # Reports a bad pair now; gRPC would report it only at the first connection.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate, self._key, password="")
            if self._client_ca:
                context.load_verify_locations(self._client_ca)
            authority = self._client_ca.read_bytes() if self._client_ca else None
            pair = (self._key.read_bytes(), self._certificate.read_bytes())
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(
                f"certificate {self._certificate}, key {self._key}"
                + (f" and client authority {self._client_ca}" if self._client_ca else "")
                + f" cannot be used: {error}; give matching PEM files, the key without a"
                " passphrase"
            ) from error
        self._stamp = stamp
        return grpc.ssl_server_certificate_configuration([pair], authority)

    def _now(self) -> _Stamp:
        files = [self._certificate, self._key, *([self._client_ca] if self._client_ca else [])]
        states = [file.stat() for file in files]
        return tuple((state.st_mtime_ns, state.st_ino) for state in states)


def certificates(access: AccessSection) -> Certificates | None:
    """The certificates in the settings; None for a server without TLS."""
    if access.tls_certificate is None or access.tls_key is None:
        return None
    return Certificates(access.tls_certificate, access.tls_key, access.client_ca)
