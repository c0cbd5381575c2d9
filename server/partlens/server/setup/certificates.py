"""Certificates to start with: a private authority, and a server certificate from it."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from partlens.common.durable import write_atomically
from partlens.server.errors import CertificateError

_AUTHORITY_DAYS, _SERVER_DAYS = 3650, 397
RENEWED_DAYS = 30
"""A certificate with fewer days left is renewed."""
_SKEW = timedelta(hours=1)
"""How far a client's clock may be behind."""


@dataclass(frozen=True)
class Files:
    """Paths of the certificates and keys; only the owner can read the keys.

    Attributes:
        folder: folder of the keys and the server's certificate.
        authority: certificate that clients must trust (PEM).
    """

    folder: Path
    authority: Path

    @property
    def authority_key(self) -> Path:
        """The authority's key, which signs certificates (PEM); the server never reads it."""
        return self.folder / "ca.key"

    @property
    def certificate(self) -> Path:
        """The server's certificate (PEM)."""
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        """The server's key (PEM)."""
        return self.folder / "server.key"


def ensure(files: Files, hosts: Sequence[str], now: datetime | None = None) -> Sequence[str]:
    """Create what is missing, expiring or lacks a host; return what was created.

    A renewed certificate keeps the hosts that it had, and its key. A running server uses it for new
    connections without a restart.

    Args:
        hosts: names and addresses by which clients reach the server.

    Raises:
        CertificateError: an existing file cannot be read, or the authority's do not match.
        OSError: the folder cannot be written.
    """
    now, made = now or datetime.now(UTC), list[str]()
    files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (files.authority.exists() and files.authority_key.exists()):
        _make_authority(files, now)
        made.append(f"an authority for certificates, {files.authority}")
    hosts = all_hosts(files, hosts)
    if made or not _serves(files, hosts, now):
        made.append(_make_server(files, hosts, now))
    return made


def renew(
    files: Files, hosts: Sequence[str], *, authority: bool = False, now: datetime | None = None
) -> Sequence[str]:
    """Make the server's certificate anew, however long it is still valid; return what was made.

    Only one file is replaced, so readers see the old certificate or the new one, and both fit the
    key. With `authority`, several are: run it again if it is killed.

    Args:
        hosts: more names and addresses, besides those that the certificate has.
        authority: also make a new authority, which clients must then be given, and a new key.

    Raises:
        CertificateError: there is no certificate, or an existing file cannot be read.
        OSError: the folder cannot be written.
    """
    if not (files.certificate.exists() and files.authority.exists()):
        raise CertificateError(
            f"{files.folder} has no certificate to renew: run `partlens setup` without --renew"
        )
    now, made, hosts = now or datetime.now(UTC), list[str](), all_hosts(files, hosts)
    if authority:
        files.key.unlink(missing_ok=True)
        _make_authority(files, now)
        made.append(f"an authority for certificates, {files.authority}")
    return [*made, _make_server(files, hosts, now)]


def fingerprint(file: Path) -> str:
    """SHA-256 fingerprint of a certificate, as `openssl x509 -fingerprint -sha256` prints it.

    Raises:
        CertificateError: the certificate cannot be read.
    """
    return _read(file).fingerprint(hashes.SHA256()).hex(":").upper()


def _serves(files: Files, hosts: Sequence[str], now: datetime) -> bool:
    """Whether the certificate fits its key, comes from the authority, has the hosts, and lasts."""
    if not (files.certificate.exists() and files.key.exists()):
        return False
    certificate = _read(files.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lasting = certificate.not_valid_after_utc - now > timedelta(days=RENEWED_DAYS)
    return (
        lasting
        and set(_names(hosts)) <= set(names)
        and certificate.public_key() == _key(files.key).public_key()
        and _issued(certificate, _read(files.authority))
    )


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def all_hosts(files: Files, hosts: Sequence[str] = ()) -> Sequence[str]:
    """These, and the names and addresses of the certificate that is there.

    Raises:
        CertificateError: the certificate cannot be read.
    """
    if not files.certificate.exists():
        return tuple(dict.fromkeys(hosts))
    extensions = _read(files.certificate).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(dict.fromkeys(hosts))
    earlier = map(str, names.get_values_for_type(x509.IPAddress))
    return tuple(dict.fromkeys((*hosts, *names.get_values_for_type(x509.DNSName), *earlier)))


def _make_authority(files: Files, now: datetime) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), _named("partlens authority")
    certificate = (
        _begun(name, name, key.public_key(), now, now + timedelta(days=_AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(files.authority_key, key)
    write_atomically(files.authority, _pem(certificate))


def _make_server(files: Files, hosts: Sequence[str], now: datetime) -> str:
    """Makes a certificate, with the key that is there or a new one; returns what was made."""
    authority, signer = _read(files.authority), _key(files.authority_key)
    if authority.public_key() != signer.public_key():
        raise CertificateError(
            f"{files.authority_key} is not the key of {files.authority}: restore the one that is"
            " wrong, or make both anew with `partlens setup FOLDER --renew-authority`"
        )
    ends = min(now + timedelta(days=_SERVER_DAYS), authority.not_valid_after_utc)
    if ends - now < timedelta(days=RENEWED_DAYS):
        raise CertificateError(
            f"the authority {files.authority} expires on {ends:%Y-%m-%d}: make a new one with"
            " `partlens setup FOLDER --renew-authority`, and give it to the clients"
        )
    if not files.key.exists():
        _write_key(files.key, ec.generate_private_key(ec.SECP256R1()))
    key = _key(files.key)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        _begun(_named(hosts[0]), authority.subject, key.public_key(), now, ends)
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(identifier, critical=False)
        .sign(signer, hashes.SHA256())
    )
    write_atomically(files.certificate, _pem(certificate))
    return (
        f"a certificate for {', '.join(hosts)}, {files.certificate}, which expires on"
        f" {ends:%Y-%m-%d}"
    )


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"{path} is not a usable key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{path} is not a key that this command created")
    return key


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names = list[x509.GeneralName]()
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            try:
                names.append(x509.DNSName(host))
            except ValueError as error:
                raise CertificateError(f"{host!r} is not a host name or address") from error
    return names


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise CertificateError(f"{path} is not a readable certificate: {error}") from error


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_atomically(path, text.decode(), mode=0o600)
