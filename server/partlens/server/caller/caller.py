"""Who is calling, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from partlens.server.caller.confinement import Confinement
from partlens.server.caller.scopes import NEEDED, SCOPES, Scope
from partlens.server.errors import ForbiddenError


@dataclass(frozen=True)
class Caller:
    """Who is calling.

    Attributes:
        token: id of the token; "" if the server has no tokens.
        name: name of the token.
        scopes: scopes of the token.
        within: images that the caller may access.
        owner: id of the first of the tokens that replaced each other; standing queries belong to
            it. "" if the server has no tokens.
    """

    token: str = ""
    name: str = ""
    scopes: frozenset[Scope] = frozenset()
    within: Confinement = field(default_factory=Confinement)
    owner: str = ""

    def require_scope(self, method: str) -> None:
        """Raise ForbiddenError unless this caller may call a method."""
        needed = NEEDED.get(method, frozenset())
        if not needed & self.scopes:
            raise ForbiddenError(
                f"token {self.token} has scope {_names(self.scopes)}; this method needs"
                f" {_names(needed, ' or ')}"
            )


# Every caller of a server without tokens, which is allowed only on loopback.
ANYONE = Caller(name="anyone", scopes=frozenset(SCOPES))


def _names(names: Iterable[str], join: str = ", ") -> str:
    return join.join(sorted(names))
