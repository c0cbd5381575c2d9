"""Making files survive a crash, and one writer at a time."""

import errno
import fcntl
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from partlens.common.durable import sync
from partlens.indexer.errors import LockedError, StorageError, unreadable
from partlens.indexer.object_stores.errors import unreachable

# What to do, by error number; Lance gives the number in its message only.
_ADVICE = {
    errno.ENOSPC: "the disk is full; make room and do it again",
    errno.EDQUOT: "the disk quota is used up; make room or raise it, and do it again",
    errno.EFBIG: "a file would be larger than this process may write; raise `ulimit -f`",
    errno.EACCES: "its folder may not be written to by this user; change its owner or mode",
    errno.EPERM: "its folder may not be written to by this user; change its owner or mode",
    errno.EROFS: "its file system is mounted read-only; mount it for writing",
}
_CONFLICT = "Incompatible transaction"
_OTHERWISE = "see whether the disk is sound, and do it again"


def sync_new(folder: Path, known: set[Path]) -> list[Path]:
    """Sync every file and folder below `folder` that is not known yet; gives the new files.

    Known files never change; a folder is synced when the name of a file or folder in it is new.
    Names that begin with a dot are skipped: a compaction is still writing these files. Names of
    files that are gone are forgotten.
    """
    found, there, made = list[Path](), set[Path](), set[Path]()
    for place, folders, names in os.walk(folder, topdown=False):
        here = [Path(place, name) for name in names]
        there.update(here)
        there.add(Path(place))
        new = [path for path in here if path not in known and not path.name.startswith(".")]
        for path in new:
            sync(path)
        known.update(new)
        found += new
        if Path(place) not in known:
            made.add(Path(place))
        if new or Path(place) in made or any(Path(place, name) in made for name in folders):
            sync(Path(place))
            known.add(Path(place))
    known &= there
    return found


def files_below(folder: Path) -> set[Path]:
    """The files below a folder."""
    return {Path(place, name) for place, _, names in os.walk(folder) for name in names}


def remove_entry(path: Path) -> None:
    """Delete a folder and its content, or a file. Under its name it is there in full or not at all.

    What a kill or an error leaves has a name that begins with a dot, as drafts have.
    """
    doomed = path if path.name.startswith(".") else path.with_name(f".{path.name}")
    if doomed != path:
        _delete(doomed)
        with suppress(OSError):
            path.rename(doomed)
    _delete(doomed)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def refusals(name: str, kind: str = "gallery") -> Iterator[None]:
    """Turn errors of the system and of Lance in a write into StorageError, with advice.

    Args:
        name, kind: name of what is written, and what it is.
    """
    try:
        yield
    except BaseException as error:
        if not is_lance_error(error):
            raise
        problem = f"{kind} {name!r} cannot be written to"
        if found := unreachable(problem, error):
            raise found from error
        if _CONFLICT in str(error):
            raise LockedError(
                f"{kind} {name!r}: another process has committed meanwhile; nothing was changed,"
                " do it again"
            ) from error
        raise StorageError(f"{problem}: {_advice(error)}") from error


@contextmanager
def damage(what: str) -> Iterator[None]:
    """Turn errors of the system and of Lance in a read into DamagedError.

    Args:
        what: what failed, as the beginning of the message.
    """
    try:
        yield
    except BaseException as error:
        if not is_lance_error(error):
            raise
        if found := unreachable(what, error):
            raise found from error
        raise unreadable(f"{what}, its files are missing or damaged: {error}", error) from error


def is_lance_error(error: BaseException) -> bool:
    """Whether an error may come from Lance or a file. Lance's panics are not Exceptions."""
    return isinstance(error, OSError | ValueError | RuntimeError) or (
        type(error).__name__ == "PanicException"
    )


def is_refusal(error: BaseException | None) -> bool:
    """Whether the system refused a write for a known reason, such as a full disk."""
    return error is not None and not _advice(error).endswith(_OTHERWISE)


def _advice(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    for known, advice in _ADVICE.items():
        if number == known or f"os error {known})" in str(error):
            return advice
    return f"{error}; {_OTHERWISE}"


class Lock(ABC):
    """The right of one process to write, until it is released."""

    @abstractmethod
    def release(self) -> None:
        """Let others write."""

    @property
    def lost(self) -> bool:
        """Whether another process has taken it over; release it, and take it again."""
        return False

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


class WriterLock(Lock):
    """Lock of the one process that may write; the system releases it if that process dies.

    Raises:
        LockedError: another process, or another gallery object of this one, holds it.
        StorageError: the folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        with refusals(path.parent.name):
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise LockedError(
                f"gallery {path.parent.name!r} is being written to by another process; wait until"
                " it has ended, or send the images to the server that has it open"
            ) from error

    def release(self) -> None:
        """Release the lock."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
