"""Finds the gallery that a call names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from partlens.common.gallery_names import RULE, is_gallery_name
from partlens.server.caller.confinement import Confinement
from partlens.server.calls import call as calls
from partlens.server.errors import (
    STILL_LOADING,
    NotReadyError,
    PageTokenError,
    RequestError,
    UnknownGalleryError,
)
from partlens.server.galleries.aliases import Alias, AliasFile, Move
from partlens.server.galleries.served import ServedGallery

_SHOWN = 20
"""Most names in an error."""


@dataclass(frozen=True)
class NamedGallery:
    """A name that a caller may use.

    Attributes:
        gallery: what it leads to.
        alias: None if the name is that of the gallery and has led nowhere else.
    """

    name: str
    gallery: ServedGallery
    alias: Alias | None


class Directory:
    """The galleries of a server by name, and their aliases.

    Args:
        default: name that calls without a gallery mean.
        aliases: None for a server of one gallery, which then has no other name.
    """

    def __init__(self, default: str, aliases: AliasFile | None) -> None:
        self.default, self._aliases = default, aliases
        self._galleries: dict[str, ServedGallery] = {}

    @property
    def galleries(self) -> Mapping[str, ServedGallery]:
        """The galleries by their own names."""
        return self._galleries

    def require_loaded(self) -> None:
        """Raise NotReadyError while the server loads its galleries."""
        if not self._galleries:
            raise NotReadyError(f"{STILL_LOADING}; try again")

    def add(self, gallery: ServedGallery) -> None:
        """From now on, calls may name this gallery."""
        self._galleries[gallery.name] = gallery

    def of(self, asked: str, earlier: str = "") -> ServedGallery:
        """The gallery that the current call names; the call keeps it.

        Args:
            asked: the name; "" for the default.
            earlier: own name of the gallery that gave the first page, for a later one: it is used
                if `asked` has led to it.

        Raises:
            NotReadyError: the server is still loading.
            UnknownGalleryError: there is none, or the caller may not use it.
            AliasError: the aliases cannot be read.
        """
        call, name = calls.current(), asked or self.default
        self.require_loaded()
        if not call.caller.within.may_name(name):
            raise self._unknown(asked, call.caller.within)
        found, alias = self._found(name)
        if found is None:
            raise self._unknown(asked, call.caller.within)
        if earlier and earlier != found.name:
            found = self._earlier(name, earlier, alias)
        call.gallery = found.name
        if alias is not None and len(alias.moves) > 1 and alias.gallery == found.name:
            call.alias = name, alias.moved_at
        return found

    def names(self, within: Confinement) -> list[NamedGallery]:
        """Every name that a caller may use, in order."""
        known = sorted({*self._galleries, *self._read()})
        found = ((name, *self._found(name)) for name in known if within.may_name(name))
        return [NamedGallery(name, one, alias) for name, one, alias in found if one is not None]

    def moves(self, asked: str) -> Sequence[Move]:
        """What a name has led to, oldest first; empty if it is not an alias."""
        alias = self._read().get(asked or self.default)
        return alias.moves if alias else ()

    def led_to(self, name: str) -> ServedGallery | None:
        """The gallery that a name leads to; None if it is not a name."""
        return self._found(name)[0]

    def require_alias(self, alias: str) -> AliasFile:
        """The aliases, for a change of this one.

        Raises:
            RequestError: this server can have none, or the name is none.
        """
        if self._aliases is None:
            raise RequestError(
                "alias",
                "the gallery of this server has no name, so it can have no alias: serve it with"
                " --gallery NAME=PATH, or name it in server.galleries",
            )
        if not is_gallery_name(alias):
            raise RequestError("alias", f"{alias[:80]!r} is not a name of a gallery: {RULE}")
        return self._aliases

    def target(self, name: str) -> ServedGallery:
        """The gallery with this own name; raises RequestError if there is none."""
        if name not in self._galleries:
            raise RequestError(
                "gallery",
                f"{name[:80]!r} is not the own name of a gallery here; they are"
                f" {', '.join(sorted(self._galleries)[:_SHOWN])}",
            )
        return self._galleries[name]

    def move(self, alias: str, target: str, after: int) -> None:
        """Make an alias lead to a gallery; on disk when this returns.

        Args:
            after: revision of the gallery's newest image.

        Raises:
            AliasError: the aliases cannot be written; nothing was changed.
        """
        now = datetime.now(UTC)

        def change(aliases: dict[str, Alias]) -> None:
            before = aliases.get(alias)
            if before is None:
                own = (Move(alias, 0, now),) if alias in self._galleries else ()
                before = Alias(own)
            aliases[alias] = before.moved(Move(target, after, now))

        self.require_alias(alias).change(change)

    def remove(self, alias: str) -> None:
        """Remove an alias, on disk when this returns; raises RequestError if there is none."""

        def change(aliases: dict[str, Alias]) -> None:
            if alias not in aliases:
                raise RequestError("alias", f"{alias[:80]!r} is not an alias; see ListGalleries")
            del aliases[alias]

        self.require_alias(alias).change(change)

    def _found(self, name: str) -> tuple[ServedGallery | None, Alias | None]:
        if self._aliases is None:
            return self._galleries.get(name), None
        alias = self._read().get(name)
        return self._galleries.get(alias.gallery if alias else name), alias

    def _read(self) -> Mapping[str, Alias]:
        return self._aliases.read() if self._aliases is not None else {}

    def _earlier(self, name: str, earlier: str, alias: Alias | None) -> ServedGallery:
        led = {move.gallery for move in alias.moves} if alias else set[str]()
        if earlier not in led or earlier not in self._galleries:
            raise PageTokenError(
                f"this page token is not from a search or list of gallery {name!r}; leave it out"
                " for the first page"
            )
        return self._galleries[earlier]

    def _unknown(self, asked: str, within: Confinement) -> UnknownGalleryError:
        names = [one.name for one in self.names(within)]
        shown = ", ".join(names[:_SHOWN]) or "none"
        more = f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else ""
        what = (
            f"there is no gallery {asked[:80]!r}"
            if asked
            else "the token may not use the default gallery, and the call names none"
        )
        return UnknownGalleryError(f"{what}; you may use {shown}{more}")
