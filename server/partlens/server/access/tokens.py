"""Bearer tokens: 256 random bits, of which the server keeps only a keyed hash.

A password is hashed slowly (scrypt) since it can be guessed. A random token of 256 bits cannot, so
one HMAC-SHA256 keeps it as safe, and a caller cannot keep the server busy by sending wrong ones.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from partlens.server.access.caller import SCOPES, Caller, Confinement, Scope
from partlens.server.errors import TokenFileError

_MARK = "plt"


@dataclass(frozen=True)
class Token:
    """A token as it is stored.

    Attributes:
        id: names it, in lists and in the audit log; not secret.
        name: whose it is, in its owner's words.
        scopes: what it may do.
        cameras: the cameras it is confined to; empty for all images.
        created_at, expires_at: None if it never expires.
        salt, digest: HMAC-SHA256 of the secret, keyed by the salt; hexadecimal.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    cameras: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    salt: str
    digest: str

    @property
    def caller(self) -> Caller:
        """Who holds it."""
        return Caller(self.id, self.name, self.scopes, Confinement.to(self.cameras))

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at

    def matches(self, secret: str) -> bool:
        """Whether a secret is this token's, in a time that tells nothing."""
        return hmac.compare_digest(_digest(secret, self.salt), self.digest)

    def to_json(self) -> dict[str, Any]:
        """Plain values, which from_json reads."""
        return {
            "id": self.id,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "cameras": sorted(self.cameras),
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
            "salt": self.salt,
            "digest": self.digest,
        }

    @classmethod
    def from_json(cls, plain: Any) -> "Token":
        """The token of plain values.

        Raises:
            TokenFileError: they are of another form.
        """
        try:
            scopes, expires = frozenset(plain["scopes"]), plain["expires_at"]
            if not scopes or scopes - set(SCOPES):
                raise ValueError(f"scopes are {', '.join(SCOPES)}")
            texts = [plain[key] for key in ("id", "name", "salt", "digest")]
            if not all(isinstance(text, str) for text in [*texts, *plain["cameras"]]):
                raise ValueError("id, name, salt, digest and cameras are texts")
            return cls(
                texts[0],
                texts[1],
                cast("frozenset[Scope]", scopes),
                frozenset(plain["cameras"]),
                datetime.fromisoformat(plain["created_at"]),
                datetime.fromisoformat(expires) if expires else None,
                texts[2],
                texts[3],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TokenFileError(f"a token has another form than it must have: {error}") from error


def create(
    name: str,
    scopes: frozenset[Scope],
    cameras: frozenset[str] = frozenset(),
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """A new token, and the text that its holder sends; nobody can find the text again."""
    id, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_hex(16)
    created_at = datetime.now(UTC).replace(microsecond=0)
    token = Token(id, name, scopes, cameras, created_at, expires_at, salt, _digest(secret, salt))
    return token, f"{_MARK}_{id}_{secret}"


def split(text: str) -> tuple[str, str]:
    """The id and the secret in the text of a token; ("", "") where it is none.

    >>> split("plt_0123abcd_s_e-cret")
    ('0123abcd', 's_e-cret')
    """
    mark, _, rest = text.partition("_")
    id, _, secret = rest.partition("_")
    return (id, secret) if mark == _MARK and id and secret else ("", "")


def _digest(secret: str, salt: str) -> str:
    return hmac.digest(salt.encode(), secret.encode(), "sha256").hex()
