"""The folder on a node's disk in which a shard keeps its segments and indexes."""

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from partlens.indexer.errors import LockedError
from partlens.indexer.gallery.durability import WriterLock, refusals
from partlens.indexer.gallery.home.folder import LOCK
from partlens.indexer.gallery.share import Share

_MOST = 64
"""Replicas of one shard that may run on one node."""


class ShardFolder:
    """A folder that one process uses until it is closed; another process takes another one.

    A shard that starts again finds there what it kept before.

    Attributes:
        path: the folder.

    Args:
        scratch: of all shards on this node.
        gallery: the gallery's path.

    Raises:
        StorageError: the disk refused it.
        LockedError: too many processes keep this share on this node.
    """

    def __init__(self, scratch: Path, gallery: str, share: Share) -> None:
        name = hashlib.sha256(gallery.encode()).hexdigest()[:16]
        of_gallery = scratch / name
        with refusals(name, "scratch folder"):
            self.path, self.lock = _first_free(of_gallery / _named(share))
        _remove_others(of_gallery, share)

    def close(self) -> None:
        """Let another process use it."""
        self.lock.release()


def _named(share: Share) -> str:
    return f"{share.number}-of-{share.count}"


def _first_free(parent: Path) -> tuple[Path, WriterLock]:
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(_MOST):
        path = parent / str(number)
        path.mkdir(exist_ok=True)
        with suppress(LockedError):
            return path, WriterLock(path / LOCK)
    raise LockedError(f"{_MOST} processes keep shard {parent.name} on this node; end some of them")


def _remove_others(of_gallery: Path, share: Share) -> None:
    """Remove what shards of another number kept, where no process uses it any longer."""
    for path in of_gallery.glob("*-of-*/*"):
        if path.parent.name.endswith(f"-of-{share.count}"):
            continue
        with suppress(LockedError, OSError), WriterLock(path / LOCK):
            shutil.rmtree(path, ignore_errors=True)
