"""Aliases of galleries on disk: each move is whole, survives a killed process, and is seen by every
server that reads the same file at its next call."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from partlens.common import strict_json
from partlens.common.durable import locked, make_folder, write_atomically
from partlens.common.gallery_names import is_gallery_name
from partlens.server.errors import AliasError

_FORMAT = 1
_MOST_MOVES = 32


@dataclass(frozen=True)
class Move:
    """What a name led to, and since when.

    Attributes:
        gallery: own name of the gallery.
        after: revision of its newest image at that moment.
        at: the moment.
    """

    gallery: str
    after: int
    at: datetime


@dataclass(frozen=True)
class Alias:
    """A name and the galleries that it has led to.

    Attributes:
        moves: oldest first; the last one is in force. Never empty.
    """

    moves: tuple[Move, ...]

    @property
    def gallery(self) -> str:
        """Own name of the gallery that it leads to."""
        return self.moves[-1].gallery

    @property
    def moved_at(self) -> datetime:
        """When it began to lead there."""
        return self.moves[-1].at

    def moved(self, move: Move) -> "Alias":
        """With one more move; the oldest are forgotten."""
        return Alias((*self.moves, move)[-_MOST_MOVES:])


Change = Callable[[dict[str, Alias]], None]


class AliasFile:
    """Aliases by name. A missing file means no aliases, unless it was there before.

    Reading an unchanged file costs one stat.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] = ()
        self._aliases: Mapping[str, Alias] = {}

    def read(self) -> Mapping[str, Alias]:
        """The current aliases.

        Raises:
            AliasError: the file is damaged, cannot be read, or has disappeared.
        """
        try:
            state = self.path.stat()
        except FileNotFoundError:
            if not self._stamp:
                return {}
            raise AliasError(f"{self.path} has disappeared; restore it") from None
        except OSError as error:
            raise AliasError(f"{self.path} cannot be read: {error.strerror}") from error
        stamp = (state.st_mtime_ns, state.st_ino, state.st_size)
        if stamp != self._stamp:
            self._aliases = _parsed(self.path)
            self._stamp = stamp
        return self._aliases

    def change(self, change: Change) -> None:
        """Change the aliases; on disk when this returns.

        Raises:
            AliasError: the file cannot be read or written; nothing was changed.
        """
        try:
            make_folder(self.path.parent)
            # Of two servers that change it at once, the second changes what the first has written.
            with locked(self.path.with_name(f".{self.path.name}.lock")):
                aliases = dict(self.read())
                change(aliases)
                plain = {
                    "format": _FORMAT,
                    "aliases": {name: _plain(one) for name, one in sorted(aliases.items())},
                }
                write_atomically(self.path, json.dumps(plain, indent=1) + "\n", mode=0o600)
        except OSError as error:
            raise AliasError(f"{self.path} cannot be written: {error.strerror}") from error


def near(gallery: Path) -> Path:
    """The default path of the aliases, in the folder that holds the default gallery.

    >>> near(Path("data/people")).as_posix()
    'data/galleries.aliases.json'
    """
    return gallery.with_name("galleries.aliases.json")


def _plain(alias: Alias) -> list[dict[str, Any]]:
    return [
        {"gallery": one.gallery, "after": one.after, "at": one.at.isoformat()}
        for one in alias.moves
    ]


def _parsed(path: Path) -> dict[str, Alias]:
    try:
        plain = strict_json.loads(path.read_bytes())
        if plain["format"] != _FORMAT:
            raise AliasError(
                f"{path} has format {plain['format']}; this version reads format {_FORMAT}"
            )
        return {_name(name): _alias(moves) for name, moves in plain["aliases"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, AliasError):
            raise
        raise AliasError(f"{path} is not a valid file of aliases: {error}") from error


def _alias(moves: Any) -> Alias:
    made = Alias(
        tuple(
            Move(_name(one["gallery"]), int(one["after"]), datetime.fromisoformat(one["at"]))
            for one in moves
        )
    )
    if not made.moves:
        raise ValueError("an alias leads nowhere")
    return made


def _name(text: Any) -> str:
    if not isinstance(text, str) or not is_gallery_name(text):
        raise ValueError(f"{text!r} is not a name of a gallery")
    return text
