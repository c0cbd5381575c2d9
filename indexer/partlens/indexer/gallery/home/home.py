"""What a gallery needs of the place that keeps its truth."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from partlens.common.bucket_address import Place
from partlens.indexer.gallery.durability import Lock
from partlens.indexer.gallery.home.bucket_file import BucketFile

File = Path | BucketFile
"""A file of the truth: both have `open`, `exists` and `name`."""


class State(NamedTuple):
    """What identifies the content of a file: another after each change.

    Attributes:
        size: in bytes.
        tag: the rest of it.
    """

    size: int
    tag: str


class Home(ABC):
    """The truth of one gallery, its records, and the folder of what is derived from them.

    A place is the name of a file below the gallery, with "/", such as "truth.lance/data/x.lance".

    Attributes:
        place: where the gallery is.
        name: name of the gallery, for messages.
        folder: folder on this machine of segments and indexes. The rest lies there too if the home
            is a folder.
        dataset: path or URL of the Lance dataset.
        options: what Lance needs to reach it; None for a path.
        remote: whether the truth lies elsewhere than the folder. Requests may then arrive late, so
            the number of a version that was never acknowledged is not given again: a version that
            holds the same as the acknowledged one takes the next number.
        seconds: between two looks for commits of other processes.
    """

    place: Place
    name: str
    folder: Path
    dataset: str
    options: Mapping[str, str] | None = None
    remote = False
    seconds = 0.25

    @abstractmethod
    def file(self, place: str) -> File:
        """The file at a place, for reading; it need not exist."""

    @abstractmethod
    def state(self, place: str) -> State | None:
        """State of the file at a place; None if there is none.

        Raises:
            OSError, StorageError: it cannot be seen.
        """

    @abstractmethod
    def names(self, below: str) -> list[str]:
        """Names of the files right below a place that is a folder; empty if there is none."""

    @abstractmethod
    def places(self) -> Iterable[str]:
        """The place of every file of the truth and of its records, drafts too."""

    @abstractmethod
    def read(self, place: str) -> bytes:
        """Content of a small file.

        Raises:
            FileNotFoundError: there is none.
            OSError, StorageError: it cannot be read.
        """

    @abstractmethod
    def write(self, place: str, content: bytes) -> None:
        """Replace a record, or create it; durable when this returns.

        Raises:
            LockedError: another process has written it since this one got the lock.
            OSError, StorageError: it was not written.
        """

    @abstractmethod
    def append(self, place: str, content: bytes) -> None:
        """Append to a record; durable when this returns. Raises as write."""

    @abstractmethod
    def remove(self, places: Iterable[str]) -> None:
        """Remove files; those that are gone already are skipped."""

    @abstractmethod
    def url(self, place: str) -> str:
        """A place as Lance takes it, along with `options`."""

    @abstractmethod
    def prepare(self, place: str) -> None:
        """Let other processes write files below a new place; they need not hold the lock.

        Raises:
            OSError: the disk refused it.
        """

    @abstractmethod
    def mark(self, place: str) -> int:
        """Leave a mark at a place below a prepared one; any process may.

        Returns:
            How many marks are there now.

        Raises:
            OSError, StorageError: it was not left.
        """

    @abstractmethod
    def move(self, moves: Mapping[str, str]) -> None:
        """Move files that other processes wrote into the dataset, between start and settle.

        Args:
            moves: place -> new place.

        Raises:
            LockedError: this process may no longer write.
            OSError, StorageError: some were not moved.
        """

    @abstractmethod
    def clear(self, place: str) -> None:
        """Remove everything below a place, for the process that may write.

        Raises:
            LockedError: this process may no longer write.
            StorageError: the store cannot be reached.
        """

    @abstractmethod
    def begin(self, needed: Callable[[], Sequence[str]]) -> None:
        """Take what the dataset holds as settled: what is written from now on is new.

        Args:
            needed: see settle.
        """

    @abstractmethod
    def start(self) -> None:
        """Begin a commit; LockedError unless this process may still write."""

    @abstractmethod
    def settle(self, needed: Callable[[], Sequence[str]]) -> list[str]:
        """Make the dataset's new files durable.

        Args:
            needed: gives the places of what the newest version needs.

        Returns:
            The places of the new ones that never change.
        """

    @abstractmethod
    def undo(self) -> None:
        """Remove what a failed commit wrote since start, where that is safe."""

    @abstractmethod
    def lock(self) -> Lock:
        """Become the one process that may write.

        Raises:
            LockedError: another process is.
            StorageError: this one may not.
        """

    @abstractmethod
    def require_lock(self) -> None:
        """Raise LockedError unless this process may still write."""

    @property
    @abstractmethod
    def unsettled(self) -> bool:
        """Whether writes of a process that lost the lock, or requests that failed, may still
        arrive. A commit of the same rows then keeps them from counting."""

    @abstractmethod
    def settled(self) -> None:
        """Note that such a commit was made."""

    @abstractmethod
    def doubt(self) -> None:
        """Note that a commit failed, of which requests may still arrive."""

    @abstractmethod
    def require_room(self, more: int) -> None:
        """Raise StorageError if so many bytes do not fit into the folder of derived files."""

    @property
    @abstractmethod
    def keeps_versions(self) -> bool:
        """Whether the place keeps what was replaced or removed, as far as is known."""
