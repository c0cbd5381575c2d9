"""Folders on this machine for what galleries in buckets keep here, within a bound."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from partlens.common.bucket_address import BucketAddress
from partlens.indexer.errors import LockedError, StorageError
from partlens.indexer.gallery.durability import WriterLock, files_below, refusals
from partlens.indexer.gallery.home.access import endpoint

FOLDER, LIMIT = "PARTLENS_SCRATCH", "PARTLENS_SCRATCH_BYTES"
_DEFAULT_LIMIT = 64 * 2**30
_PATIENCE, _PAUSE = 10.0, 0.05


@dataclass(frozen=True)
class Scratch:
    """Where the derived files of galleries in buckets lie.

    Attributes:
        root: folder with a folder for each gallery.
        limit: bytes that the folder of one gallery may hold.
    """

    root: Path
    limit: int = _DEFAULT_LIMIT

    @classmethod
    def of_environment(cls) -> "Scratch":
        """That of PARTLENS_SCRATCH and PARTLENS_SCRATCH_BYTES, or of the user's cache.

        Raises:
            StorageError: the number of bytes is not one.
        """
        root = os.environ.get(FOLDER)
        text = os.environ.get(LIMIT, str(_DEFAULT_LIMIT))
        if not text.isdecimal() or not int(text):
            raise StorageError(f"{LIMIT} is {text[:40]!r}, but must be a number of bytes above 0")
        return cls(Path(root) if root else user_cache_path("partlens") / "galleries", int(text))

    def folder(self, address: BucketAddress) -> Path:
        """The folder of a gallery's derived files; what is kept with a gallery goes beside it."""
        digest = hashlib.sha256(f"{endpoint()} {address}".encode()).hexdigest()[:16]
        return self.root.absolute() / f"{address.bucket}-{digest}" / address.name

    def made(self, address: BucketAddress) -> Path:
        """The same, made if it is missing; StorageError if the disk refuses that."""
        folder = self.folder(address)
        with refusals(address.name, "scratch folder of gallery"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def lock(self, path: Path) -> WriterLock:
        """Lock a gallery's folder, for which other processes of this machine wait a while.

        Raises:
            LockedError: another process keeps it for too long.
            StorageError: the folder cannot be written to.
        """
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return WriterLock(path)
            except LockedError as error:
                if time.monotonic() > until:
                    raise LockedError(
                        f"another process on this machine works in {path.parent}; try again"
                        f" later, or give this process another folder by {FOLDER}"
                    ) from error
                time.sleep(_PAUSE)

    def require_room(self, folder: Path, more: int) -> None:
        """Raise StorageError if a folder would hold more bytes than it may."""
        there = sum(_size(path) for path in files_below(folder))
        if there + more > self.limit:
            raise StorageError(
                f"{folder} would hold {(there + more) / 2**30:.2f} GiB of files derived from the"
                f" gallery, and may hold {self.limit / 2**30:.2f}; allow more by {LIMIT}, or make a"
                " smaller gallery (`partlens index copy`, --storage int8)"
            )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
