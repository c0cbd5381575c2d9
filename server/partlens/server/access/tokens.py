"""Bearer tokens: 256 random bits. The server stores only a keyed hash.

Passwords need a slow hash (scrypt) because they can be guessed. A random 256-bit token cannot be,
so one HMAC-SHA256 is as safe, and wrong tokens cannot keep the server busy.
"""

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

from partlens.server.caller.caller import Caller
from partlens.server.caller.confinement import Confinement
from partlens.server.caller.scopes import SCOPES, Scope
from partlens.server.errors import TokenFileError

_MARK = "plt"


@dataclass(frozen=True)
class Token:
    """A token as it is stored.

    Attributes:
        id: id in lists and in the audit log; not secret.
        name: name that its owner chose.
        scopes: what the token allows.
        cameras: cameras that the token is restricted to; empty for all images.
        galleries: names of the galleries that the token is restricted to; empty for all.
        created_at, expires_at: times; expires_at is None if the token never expires.
        salt, digest: HMAC-SHA256 of the secret, keyed by the salt; hexadecimal.
        replaces: id of the token that this one replaces; "" for none.
        first: id of the first token of the same owner, whose standing queries are this one's too;
            "" if this is the first.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    cameras: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    salt: str
    digest: str
    galleries: frozenset[str] = frozenset()
    replaces: str = ""
    first: str = ""

    @property
    def caller(self) -> Caller:
        """The holder of the token."""
        within = Confinement.to(self.cameras, self.galleries)
        return Caller(self.id, self.name, self.scopes, within, self.owner)

    @property
    def owner(self) -> str:
        """Id of the first token of the same owner."""
        return self.first or self.id

    def expired(self, now: datetime) -> bool:
        """Whether it has expired."""
        return self.expires_at is not None and now >= self.expires_at

    def matches(self, secret: str) -> bool:
        """Whether a secret is this token's; takes constant time."""
        return hmac.compare_digest(_digest(secret, self.salt), self.digest)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; from_json reads them."""
        return {
            "id": self.id,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "cameras": sorted(self.cameras),
            **({"galleries": sorted(self.galleries)} if self.galleries else {}),
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
            **({"replaces": self.replaces, "first": self.first} if self.replaces else {}),
            "salt": self.salt,
            "digest": self.digest,
        }

    @classmethod
    def from_json(cls, plain: Any) -> "Token":
        """The token from plain values.

        Raises:
            TokenFileError: the values are malformed.
        """
        try:
            scopes, expires = frozenset(plain["scopes"]), plain["expires_at"]
            if not scopes or scopes - set(SCOPES):
                raise ValueError(f"scopes must be {', '.join(SCOPES)}")
            texts = [plain[key] for key in ("id", "name", "salt", "digest")]
            texts += [plain.get(key, "") for key in ("replaces", "first")]
            galleries = plain.get("galleries", [])
            if not all(isinstance(text, str) for text in [*texts, *plain["cameras"], *galleries]):
                raise ValueError("id, name, salt, digest, cameras and galleries must be texts")
            return cls(
                texts[0],
                texts[1],
                cast("frozenset[Scope]", scopes),
                frozenset(plain["cameras"]),
                datetime.fromisoformat(plain["created_at"]),
                datetime.fromisoformat(expires) if expires else None,
                texts[2],
                texts[3],
                frozenset(galleries),
                texts[4],
                texts[5],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TokenFileError(f"a token is malformed: {error}") from error


def create(
    name: str,
    scopes: frozenset[Scope],
    cameras: frozenset[str] = frozenset(),
    expires_at: datetime | None = None,
    galleries: frozenset[str] = frozenset(),
) -> tuple[Token, str]:
    """A new token, and the text that its holder sends. The text cannot be recovered later."""
    id, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_hex(16)
    created_at = datetime.now(UTC).replace(microsecond=0)
    digest = _digest(secret, salt)
    token = Token(id, name, scopes, cameras, created_at, expires_at, salt, digest, galleries)
    return token, f"{_MARK}_{id}_{secret}"


def successor(
    old: Token, expires_at: datetime | None, name: str | None = None
) -> tuple[Token, str]:
    """A new token with the rights and the standing queries of another, and its text.

    Args:
        name: another name; None keeps the old one.
    """
    token, text = create(name or old.name, old.scopes, old.cameras, expires_at, old.galleries)
    return replace(token, replaces=old.id, first=old.owner), text


def split(text: str) -> tuple[str, str]:
    """The id and the secret in the text of a token; ("", "") if it is not a token.

    >>> split("plt_0123abcd_s_e-cret")
    ('0123abcd', 's_e-cret')
    """
    mark, _, rest = text.partition("_")
    id, _, secret = rest.partition("_")
    return (id, secret) if mark == _MARK and id and secret else ("", "")


def _digest(secret: str, salt: str) -> str:
    return hmac.digest(salt.encode(), secret.encode(), "sha256").hex()
