"""How long a certificate is valid."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes

_NEAR = timedelta(days=14)
_NEAR_SHARE = 0.25
"""A certificate that lasts days rather than months is near its end in its last quarter."""


@dataclass(frozen=True)
class Validity:
    """When a chain of certificates is valid.

    Attributes:
        begins, ends: times within which every certificate of the chain is valid.
        fingerprint: SHA-256 of the first, as `openssl x509 -fingerprint -sha256` prints it.
    """

    begins: datetime
    ends: datetime
    fingerprint: str

    @classmethod
    def of(cls, pem: bytes) -> "Validity":
        """That of a chain in PEM, the server's certificate first.

        Raises:
            ValueError: there is no readable certificate.
        """
        chain = x509.load_pem_x509_certificates(pem)
        return cls(
            max(one.not_valid_before_utc for one in chain),
            min(one.not_valid_after_utc for one in chain),
            chain[0].fingerprint(hashes.SHA256()).hex(":").upper(),
        )

    def trouble(self, now: datetime) -> str | None:
        """What is wrong with it now, or soon; None if nothing is."""
        if now < self.begins:
            return f"the certificate is not valid before {self.begins:%Y-%m-%d %H:%M} UTC"
        left = self.ends - now
        if left <= timedelta():
            return f"the certificate expired on {self.ends:%Y-%m-%d}, so clients refuse it"
        if left < min(_NEAR, _NEAR_SHARE * (self.ends - self.begins)):
            return f"the certificate expires on {self.ends:%Y-%m-%d}: renew it"
        return None


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)
