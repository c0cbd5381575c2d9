"""committed.json and truth.sha256: which version of the truth is on disk, and what it must hold."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from partlens.indexer.errors import DamagedError, unreadable
from partlens.indexer.gallery import checksums
from partlens.indexer.gallery.durability import damage
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.rows_version import later_manifests

COMMITTED, SUMS = "committed.json", "truth.sha256"
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Committed:
    """The newest version that is safe on disk.

    Attributes:
        version: number of the dataset's version, at least 1.
        revision: highest revision ever given to an image; never given twice, even if that image is
            deleted.
    """

    version: int
    revision: int

    @classmethod
    def read(cls, home: Home) -> "Committed":
        """Read committed.json of a gallery; DamagedError if it is damaged."""
        return cls._parse(_content(home))

    @classmethod
    def _parse(cls, content: bytes) -> "Committed":
        try:
            plain = json.loads(content)
            version, revision = plain["version"], plain["revision"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise unreadable(f"{COMMITTED} cannot be read: {error}", error) from error
        for name, value, least in (("version", version, 1), ("revision", revision, 0)):
            if type(value) is not int or not least <= value <= _LARGEST:
                raise DamagedError(
                    f"{COMMITTED} has {name} {str(value)[:40]!r}, but it must be a whole number,"
                    f" {least} or more"
                )
        return cls(version, revision)

    @classmethod
    def newest(cls, home: Home) -> "Committed":
        """Read committed.json, and compare it with the versions on disk.

        Its checksum is written after it and before the next version. So a file that differs from
        its checksum was either written by a process that was killed right then, and names the
        last version on disk, or is an older one, which would roll back what was acknowledged.

        Raises:
            DamagedError: it is damaged, or older than the last commit.
        """
        while True:
            content = _content(home)
            committed = cls._parse(content)
            later = later_manifests(home, committed.version)
            if not later or _is_noted(content, recorded(home)):
                return committed
            if _content(home) == content:
                raise DamagedError(
                    f"{COMMITTED} names version {committed.version}, which is not the last that"
                    " was committed: restore this file, or the whole gallery, from a backup"
                )

    def write(self, home: Home) -> None:
        """Replace committed.json; durable when this returns. Raises as Home.write."""
        home.write(COMMITTED, json.dumps(vars(self)).encode())


def record(home: Home, places: Iterable[str]) -> None:
    """Record the checksums of files that are written in full; durable when this returns."""
    home.append(SUMS, checksums.lines({one: checksums.digest(home.file(one)) for one in places}))


def note_committed(home: Home) -> None:
    """Record the checksum of committed.json; durable when this returns."""
    record(home, [COMMITTED])


def is_noted(home: Home) -> bool:
    """Whether committed.json has the checksum that is recorded for it."""
    return _is_noted(_content(home), recorded(home))


def forget_missing(home: Home) -> None:
    """Drop the checksums of files that are gone; durable when this returns."""
    there = set(home.places())
    kept = {place: value for place, value in recorded(home).items() if place in there}
    home.write(SUMS, checksums.lines(kept))


def recorded(home: Home) -> Mapping[str, str]:
    """The checksums of the truth's files, by place; see checksums.recorded.

    Raises:
        DamagedError: they cannot be read.
    """
    with damage(f"{SUMS} cannot be read"):
        try:
            return checksums.parsed(home.read(SUMS))
        except FileNotFoundError:
            return {}


def require_checksums(home: Home) -> Mapping[str, str]:
    """The same, of which there must be some.

    Raises:
        DamagedError: the file is missing, empty or cannot be read.
    """
    sums = recorded(home)
    if not sums:
        raise DamagedError(f"{SUMS} is missing or holds no checksum")
    return sums


def _is_noted(content: bytes, sums: Mapping[str, str]) -> bool:
    """Whether this is the content that was recorded last; so are all of earlier versions."""
    known = sums.get(COMMITTED)
    return known is None or known == hashlib.sha256(content).hexdigest()


def _content(home: Home) -> bytes:
    try:
        return home.read(COMMITTED)
    except OSError as error:
        raise unreadable(f"{COMMITTED} cannot be read: {error}", error) from error
