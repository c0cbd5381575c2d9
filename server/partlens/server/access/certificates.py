"""TLS: certificates from files, used without a restart when they change."""

import logging
import ssl
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc

from partlens.runtime.config.sections import AccessSection
from partlens.server.access.validity import Validity, now
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
    validity: Validity

    @property
    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """The same for gRPC."""
        pair = (self.key, self.certificate)
        return grpc.ssl_server_certificate_configuration([pair], self.client_ca)


class Certificates:
    """The server's certificate and key, and the authority for client certificates.

    Every port that uses them serves the same certificate. If the files change, new connections get
    what they hold then; files that cannot be used, which may be half written, change nothing.

    Args:
        client_ca: None lets clients without a certificate connect.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._lock = threading.Lock()
        self._loaded: _Files | None = None
        self._unusable: str | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials for a gRPC port.

        Raises:
            CertificateError: the files cannot be used.
        """
        given = self._current()

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            before, given = given, self._current()
            return None if given is before else given.configuration

        return grpc.dynamic_ssl_server_credentials(
            given.configuration,
            changed,  # type: ignore[arg-type]  # None means unchanged
            require_client_authentication=self._client_ca is not None,
        )

    def context(self) -> ssl.SSLContext:
        """The same for a port that Python serves.

        Raises:
            CertificateError: the files cannot be used.
        """
        first = self._current().context

        def renew(connection: ssl.SSLSocket | ssl.SSLObject, *_: object) -> None:
            connection.context = self._current().context

        # Called for each connection, whether or not its client names a server.
        first.sni_callback = renew
        return first

    def look(self) -> str | None:
        """Use the files as they are now, without a connection.

        Returns:
            What is wrong with them or with the certificate; None if nothing is. Unusable files are
            reported the second time, since someone may be writing them.

        Raises:
            CertificateError: the files cannot be used at the start.
        """
        before = self._unusable
        validity = self._current().validity
        if self._unusable is not None and self._unusable == before:
            return f"{before}; the earlier certificate stays in use"
        return validity.trouble(now())

    @property
    def expires(self) -> datetime:
        """When the certificate in use expires; raises CertificateError as `look` does."""
        return self._current().validity.ends

    def _current(self) -> _Files:
        """The newest usable files."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._read()
                _tell("certificate", self._loaded)
                return self._loaded
            try:
                changed = self._loaded.stamp != self._now()
                newer = self._read() if changed else self._loaded
            except (OSError, CertificateError) as error:
                self._unusable = str(error)
                return self._loaded
            self._unusable = None
            if newer is not self._loaded:
                new = newer.certificate != self._loaded.certificate
                _tell("new certificate" if new else "new key or client authority", newer)
            self._loaded = newer
            return newer

    def _read(self) -> _Files:
        try:
            stamp = self._now()
            # Reports a bad pair now; gRPC would report it only at the first connection.
            context = _context(self._certificate, self._key, self._client_ca)
            authority = self._client_ca.read_bytes() if self._client_ca else None
            key, certificate = self._key.read_bytes(), self._certificate.read_bytes()
            validity = Validity.of(certificate)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise CertificateError(
                f"certificate {self._certificate}, key {self._key}"
                + (f" and client authority {self._client_ca}" if self._client_ca else "")
                + f" cannot be used: {error}; give matching PEM files, the key without a"
                " passphrase"
            ) from error
        return _Files(stamp, key, certificate, authority, context, validity)

    def _now(self) -> _Stamp:
        files = [self._certificate, self._key, *([self._client_ca] if self._client_ca else [])]
        states = [file.stat() for file in files]
        return tuple((state.st_mtime_ns, state.st_ino) for state in states)


def _tell(what: str, files: _Files) -> None:
    validity = files.validity
    _log.info(
        "%s in use, expires %s, SHA-256 %s",
        what,
        validity.ends.isoformat(),
        validity.fingerprint,
        extra={"expires": validity.ends.isoformat(), "fingerprint": validity.fingerprint},
    )


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
