"""TLS: certificates from files, reloaded when they change."""

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

from partlens.runtime.config.sections import AccessSection
from partlens.runtime.sparse_log import SparseLog
from partlens.server.errors import CertificateError

_log = logging.getLogger(__name__)
_Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class _Files:
    """What the files held, and when."""

    stamp: _Stamp
    key: bytes
    certificate: bytes
    client_ca: bytes | None
    context: ssl.SSLContext

    @property
    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """The same for gRPC."""
        pair = (self.key, self.certificate)
        return grpc.ssl_server_certificate_configuration([pair], self.client_ca)


class Certificates:
    """The server's certificate and key, and the authority for client certificates.

    Args:
        client_ca: None lets clients without a certificate connect.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._lock = threading.Lock()
        # Every connection looks at the files.
        self._broken = SparseLog(_log, logging.ERROR)

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials for a gRPC port; every new connection uses the files' current certificate.

        Raises:
            CertificateError: the files cannot be used.
        """
        files = self._read()

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal files
            with self._lock:
                newer = self._changed_since(files.stamp)
                files = newer or files
            return newer.configuration if newer else None

        return grpc.dynamic_ssl_server_credentials(
            files.configuration,
            changed,  # type: ignore[arg-type]  # None means unchanged
            require_client_authentication=self._client_ca is not None,
        )

    def context(self) -> ssl.SSLContext:
        """The same for a port that Python serves.

        Raises:
            CertificateError: the files cannot be used.
        """
        files = self._read()
        first = files.context

        def renew(connection: ssl.SSLSocket | ssl.SSLObject, *_: object) -> None:
            nonlocal files
            with self._lock:
                files = self._changed_since(files.stamp) or files
            connection.context = files.context

        # Called for each connection, whether or not its client names a server.
        first.sni_callback = renew
        return first

    def _changed_since(self, stamp: _Stamp) -> _Files | None:
        """The files if they have changed and are usable; None keeps those in use."""
        try:
            return None if stamp == self._now() else self._read()
        except (OSError, CertificateError) as error:
            # The file may be half written: keep the certificate that works.
            self._broken.write("cannot reload the certificate: %s", error)
            return None

    def _read(self) -> _Files:
        try:
            stamp = self._now()
            # Reports a bad pair now; gRPC would report it only at the first connection.
            context = _context(self._certificate, self._key, self._client_ca)
            authority = self._client_ca.read_bytes() if self._client_ca else None
            key, certificate = self._key.read_bytes(), self._certificate.read_bytes()
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(
                f"certificate {self._certificate}, key {self._key}"
                + (f" and client authority {self._client_ca}" if self._client_ca else "")
                + f" cannot be used: {error}; give matching PEM files, the key without a"
                " passphrase"
            ) from error
        return _Files(stamp, key, certificate, authority, context)

    def _now(self) -> _Stamp:
        files = [self._certificate, self._key, *([self._client_ca] if self._client_ca else [])]
        states = [file.stat() for file in files]
        return tuple((state.st_mtime_ns, state.st_ino) for state in states)


def _context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key, password="")
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        # A session that is resumed would not show its certificate again, to a changed authority.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def certificates(access: AccessSection) -> Certificates | None:
    """The certificates in the settings; None for a server without TLS."""
    if access.tls_certificate is None or access.tls_key is None:
        return None
    return Certificates(access.tls_certificate, access.tls_key, access.client_ca)
