"""How a client connects: address, credentials, proxy and message sizes."""

import re
from dataclasses import dataclass
from typing import Any

import grpc

from partlens.client import address as addresses
from partlens.client import failures, proxies
from partlens.client.address import Address
from partlens.client.errors import CredentialsError
from partlens.client.proxies import Proxy

DEADLINE = 60.0
"""Default time limit of one call, in seconds."""

FILES_HEALTH = "partlens.files"
"""Health service name that reports whether the gallery's files are undamaged."""

HEALTH_PARTS = {
    FILES_HEALTH: "files of the gallery are damaged",
    "partlens.audit": "the audit log cannot be written, so calls are refused",
    "partlens.audit.chain": "the chain of the audit log is broken, or someone else changed the log",
    "partlens.tokens": "the token file cannot be read, so calls are refused",
    "partlens.aliases": "the aliases of galleries cannot be read, so calls are refused",
    "partlens.certificate": "the certificate expires soon, or its files cannot be used",
    "partlens.shards": "a shard of a gallery does not answer, so complete searches fail",
    "partlens.tasks": "a background task failed",
}
"""Health service names of the server's parts, and what it means that one is NOT_SERVING."""

RESPONSE_BYTES = 256 * 2**20
"""Largest accepted response: fits a full page of hits, each with maps and a thumbnail."""

Options = tuple[tuple[str, Any], ...]

_OPTIONS: Options = (
    ("grpc.max_receive_message_length", RESPONSE_BYTES),
    # The server limits requests (see Limits) and returns a clear error.
    ("grpc.max_send_message_length", -1),
)
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True)
class Credentials:
    """Token and certificates of a client.

    Attributes:
        token: bearer token; "" for a server without tokens.
        tls: use TLS; implied by ca or certificate.
        ca: PEM of the authority of the server's certificate; b"" for gRPC's default roots.
        certificate, key: PEM of the client's certificate and key, for mutual TLS.
    """

    token: str = ""
    tls: bool = False
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        return f"Credentials(token={'...' if self.token else ''!r}, tls={self.uses_tls})"

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls or bool(self.ca or self.certificate)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Metadata sent with every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def require_usable(self, target: Address) -> None:
        """Raise CredentialsError if they are unusable, or must not be sent to this server."""
        if not isinstance(self.token, str) or (self.token and not _TOKEN.fullmatch(self.token)):
            raise CredentialsError(
                "the token is not one word of ASCII characters; use what `partlens token create`"
                " prints"
            )
        for name, pem in (
            ("ca (--ca)", self.ca),
            ("certificate (--client-certificate)", self.certificate),
            ("key (--client-key)", self.key),
        ):
            if not isinstance(pem, bytes) or (pem and b"-----BEGIN " not in pem):
                raise CredentialsError(f"{name} is not PEM; give the bytes of a PEM file")
        if bool(self.certificate) != bool(self.key):
            raise CredentialsError(
                "a client certificate (--client-certificate) needs its key (--client-key), and a"
                " key its certificate"
            )
        if self.token and not self.uses_tls and not target.is_loopback:
            raise CredentialsError(
                f"the token would be sent to {target} in the clear;"
                " use TLS (--tls, or --ca with the authority of the server's certificate)"
            )


NO_CREDENTIALS = Credentials()


@dataclass(frozen=True)
class Route:
    """The way to a server.

    Attributes:
        target: address of the server.
        tls: whether the connection is encrypted.
        proxy: proxy set in the environment; never used for connections to this machine.
    """

    target: Address
    tls: bool = False
    proxy: Proxy | None = None

    def __str__(self) -> str:
        return f"{self.target} through {self.proxy}" if self.proxy else str(self.target)

    def proxy_options(self) -> Options:
        """Channel options for this route, independent of later environment changes."""
        if self.proxy is None:
            return (("grpc.enable_http_proxy", 0),)
        return (("grpc.http_proxy", self.proxy.url),)

    def explained(self, details: str) -> str:
        """Explains gRPC's report about a call that got no response, in a sentence or two."""
        return failures.explained(details, str(self), tls=self.tls, proxy=self.proxy)


def route(target: object, credentials: Credentials = NO_CREDENTIALS) -> Route:
    """The way to a server.

    Args:
        target: "host:port".

    Raises:
        AddressError: target is not an address, or the environment names an unusable proxy.
        CredentialsError: the credentials are unusable, or a token would be sent unencrypted.
    """
    address = addresses.parse(target)
    if not isinstance(credentials, Credentials):
        raise CredentialsError(
            "credentials must be a Credentials, such as Credentials(token=...), not a"
            f" {type(credentials).__name__}"
        )
    credentials.require_usable(address)
    proxy = proxies.between(address, proxies.GRPC)
    return Route(address, credentials.uses_tls, proxy)


def open_channel(
    way: Route, credentials: Credentials = NO_CREDENTIALS, more: Options = ()
) -> grpc.Channel:
    """A channel for blocking code; it connects on first use.

    Args:
        more: gRPC options.
    """
    target, options = str(way.target), (*_OPTIONS, *way.proxy_options(), *more)
    if way.tls:
        return grpc.secure_channel(target, _secure(credentials), options)
    return grpc.insecure_channel(target, options)


def open_aio_channel(
    way: Route, credentials: Credentials = NO_CREDENTIALS, more: Options = ()
) -> grpc.aio.Channel:
    """The same for asyncio."""
    target, options = str(way.target), (*_OPTIONS, *way.proxy_options(), *more)
    if way.tls:
        return grpc.aio.secure_channel(target, _secure(credentials), options)
    return grpc.aio.insecure_channel(target, options)


def _secure(credentials: Credentials) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        credentials.ca or None, credentials.key or None, credentials.certificate or None
    )
