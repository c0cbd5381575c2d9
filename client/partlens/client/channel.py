"""How a client connects: credentials, deadlines and message sizes."""

from dataclasses import dataclass
from ipaddress import ip_address

import grpc

from partlens.client.errors import CredentialsError

DEADLINE = 60.0
FILES_HEALTH = "partlens.files"
"""The name under which a server's health says whether the files of its gallery are sound."""
"""Seconds that one call may take unless the caller says otherwise."""

RESPONSE_BYTES = 256 * 2**20
"""Largest answer that is accepted: a full page of hits, each with maps and a thumbnail."""

OPTIONS = (
    ("grpc.max_receive_message_length", RESPONSE_BYTES),
    # What may be sent is the server's to say (see Limits); it answers with a clear error.
    ("grpc.max_send_message_length", -1),
)


@dataclass(frozen=True)
class Credentials:
    """What a client shows to a server, and trusts of it.

    Attributes:
        token: bearer token; "" for a server without tokens.
        tls: speak TLS; a certificate or an authority below says so too.
        ca: PEM of the authority of the server's certificate; b"" trusts those of gRPC.
        certificate, key: PEM of the client's own, for mutual TLS.
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
        """What goes with every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def channel(self, target: str) -> grpc.ChannelCredentials | None:
        """Of a connection to a server; None for one without TLS.

        Raises:
            CredentialsError: a token would go over the network in the clear, or half a pair.
        """
        if bool(self.certificate) != bool(self.key):
            raise CredentialsError("a client certificate needs its key, and a key its certificate")
        if self.uses_tls:
            return grpc.ssl_channel_credentials(
                self.ca or None, self.key or None, self.certificate or None
            )
        if self.token and not _is_loopback(target):
            raise CredentialsError(
                f"the token would go to {target} in the clear for everyone on the way to read;"
                " use TLS (--tls, or --ca with the authority of the server's certificate)"
            )
        return None


NO_CREDENTIALS = Credentials()


def _is_loopback(target: str) -> bool:
    host = target.rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
