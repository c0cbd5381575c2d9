"""The files of a snapshot: drafts that become a folder at once, and the checksums of everything."""

import errno
import fcntl
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from partlens.common.durable import make_folder, move_into_place, write_atomically
from partlens.common.files import read_file, require_regular
from partlens.indexer.errors import (
    AlreadyExistsError,
    DamagedError,
    NewerFormatError,
    NotFoundError,
)
from partlens.indexer.gallery import checksums
from partlens.indexer.gallery.durability import files_below, refusals

FORMAT = 1
FACTS, SUMS = "snapshot.json", "files.sha256"
_NOT_LINKED = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP}


_TYPES = {
    "gallery": str,
    "version": int,
    "images": int,
    "model_digest": str,
    "taken_at": str,
    "origins": dict,
    "format": int,
}


@dataclass(frozen=True)
class Facts:
    """What a snapshot says of itself, in snapshot.json.

    Attributes:
        gallery: name of the gallery's folder in the snapshot.
        version: committed version of the gallery.
        images: number of images.
        model_digest: digest of its model.
        taken_at: when the version was read, ISO 8601, UTC.
        origins: file in the snapshot -> where it came from, of the files that are not the
            gallery's.
        format: format of the snapshot.
    """

    gallery: str
    version: int
    images: int
    model_digest: str
    taken_at: str
    origins: Mapping[str, str]
    format: int = FORMAT

    @classmethod
    def read(cls, snapshot: Path) -> "Facts":
        """Read those of a snapshot.

        Raises:
            NotFoundError: there is no snapshot at this path.
            NewerFormatError, DamagedError: its snapshot.json cannot be read.
        """
        try:
            plain = json.loads(read_file(snapshot / FACTS))
            if isinstance(plain["format"], int) and plain["format"] > FORMAT:
                raise NewerFormatError(plain["format"], FORMAT)
            facts = cls(**plain)
            _require_types(facts)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(
                f"there is no snapshot at {snapshot}; `partlens index snapshot` makes one"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedError(f"{snapshot / FACTS} cannot be read: {error}") from error
        if Path(facts.gallery).name != facts.gallery or facts.gallery in ("", ".", ".."):
            raise DamagedError(f"{snapshot / FACTS} names no gallery: {facts.gallery!r}")
        return facts


def _require_types(facts: Facts) -> None:
    """Raise TypeError unless each value has its type: they come from a file."""
    for name, kind in _TYPES.items():
        if type(getattr(facts, name)) is not kind:
            raise TypeError(f"{name} is {getattr(facts, name)!r:.80}")
    for place, origin in facts.origins.items():
        if not isinstance(origin, str):
            raise TypeError(f"origins has {origin!r:.80} for {place!r:.80}")


def seal(snapshot: Path, facts: Facts, known: Mapping[str, str] | None = None) -> None:
    """Write snapshot.json and the checksums of all files; on disk when this returns.

    Args:
        known: checksums of an earlier seal. Those of files outside the gallery are kept, so that
            damage to them is still found; None to compute all.
    """
    write_atomically(snapshot / FACTS, json.dumps(asdict(facts), indent=1) + "\n")
    found: dict[str, str] = {}
    for file in sorted(files_below(snapshot) - {snapshot / SUMS}):
        place = file.relative_to(snapshot).as_posix()
        if known is None or place == FACTS or place.startswith(f"{facts.gallery}/"):
            found[place] = checksums.digest(file)
        elif place in known:
            found[place] = known[place]
    write_atomically(snapshot / SUMS, checksums.lines(found))


def require_whole(snapshot: Path) -> list[str]:
    """The places of a snapshot's files, each compared with its checksum.

    Raises:
        DamagedError: a file is missing, differs, or is not in the list.
    """
    try:
        sums = checksums.recorded(snapshot / SUMS)
        found = {
            file.relative_to(snapshot).as_posix()
            for file in files_below(snapshot) - {snapshot / SUMS}
        }
        for place in sorted(found | sums.keys()):
            if place not in found:
                raise DamagedError(f"{snapshot}: {place} is missing")
            if place not in sums:
                raise DamagedError(f"{snapshot}: {place} has no checksum in {SUMS}")
            if not stat.S_ISREG(os.lstat(snapshot / place).st_mode):
                raise DamagedError(f"{snapshot}: {place} is not a regular file")
            if checksums.digest(snapshot / place) != sums[place]:
                raise DamagedError(f"{snapshot}: {place} differs from its checksum")
    except OSError as error:
        raise DamagedError(f"{snapshot} cannot be read: {error}") from error
    return sorted(found)


def put(source: Path, target: Path, *, link: bool) -> None:
    """Hard-link a file, or copy it where that is impossible or not wanted.

    Raises:
        OSError: the source is gone or not a regular file, or the disk refuses the copy.
    """
    require_regular(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(source, target, follow_symlinks=False)
            return
        except OSError as error:
            if error.errno not in _NOT_LINKED:
                raise
    try:
        shutil.copyfile(source, target)
        shutil.copymode(source, target)
    except OSError:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def appearing(target: Path, kind: str) -> Iterator[Path]:
    """A draft folder that becomes `target` when the block ends: whole, or not at all.

    Drafts of the same target that killed processes left are removed.

    Args:
        kind: what it is, for errors.

    Raises:
        AlreadyExistsError: the target exists.
        StorageError: the disk refused the write.
    """
    if os.path.lexists(target):
        raise AlreadyExistsError(f"{target} already exists; choose another path")
    draft = target.with_name(f".{target.name}.draft-{os.getpid()}")
    with refusals(target.name, kind):
        make_folder(target.parent)
        _remove_abandoned(target)
        draft.mkdir(mode=0o700)
    held = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield draft
        with refusals(target.name, kind):
            move_into_place(draft, target)
    finally:
        os.close(held)
        shutil.rmtree(draft, ignore_errors=True)


def _remove_abandoned(target: Path) -> None:
    name = re.compile(rf"\.{re.escape(target.name)}\.draft-[0-9]+")
    for path in [path for path in target.parent.iterdir() if name.fullmatch(path.name)]:
        with suppress(OSError):  # someone else works on it, or has removed it
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(held)
