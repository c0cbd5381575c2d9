"""The truth of a gallery in its folder on a disk."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from partlens.common.durable import sync, write_atomically
from partlens.common.files import read_file
from partlens.indexer.gallery.durability import WriterLock, files_below, remove_entry, sync_new
from partlens.indexer.gallery.home.home import Home, State

DATASET, LOCK = "truth.lance", "writer.lock"


class FolderHome(Home):
    """A folder that holds a gallery as a whole. Its errors are those of the system.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.place = self.folder = folder
        self.name, self.dataset = folder.name, self.url(DATASET)
        self._known, self._before = set[Path](), set[Path]()

    def __str__(self) -> str:
        return str(self.folder)

    def file(self, place: str) -> Path:
        """See Home.file."""
        return self.folder / place

    def state(self, place: str) -> State | None:
        """See Home.state."""
        try:
            status = (self.folder / place).stat()
        except FileNotFoundError:
            return None
        return State(status.st_size, f"{status.st_ino} {status.st_mtime_ns}")

    def names(self, below: str) -> list[str]:
        """See Home.names."""
        folder = self.folder / below
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    def places(self) -> Iterator[str]:
        """See Home.places."""
        for place, _, names in os.walk(self.folder):
            for name in sorted(names):
                yield Path(place, name).relative_to(self.folder).as_posix()

    def read(self, place: str) -> bytes:
        """See Home.read."""
        return read_file(self.folder / place)

    def write(self, place: str, content: bytes) -> None:
        """See Home.write."""
        write_atomically(self.folder / place, content)

    def append(self, place: str, content: bytes) -> None:
        """See Home.append."""
        with (self.folder / place).open("ab") as out:
            out.write(content)
        sync(self.folder / place)

    def remove(self, places: Iterable[str]) -> None:
        """See Home.remove."""
        for place in places:
            (self.folder / place).unlink(missing_ok=True)

    def url(self, place: str) -> str:
        """See Home.url."""
        return str(self.folder / place)

    def prepare(self, place: str) -> None:
        """See Home.prepare."""
        (self.folder / place).mkdir(parents=True)

    def mark(self, place: str) -> int:
        """See Home.mark."""
        with (self.folder / place).open("ab") as file:
            file.write(b".")
            return file.tell()

    def move(self, moves: Mapping[str, str]) -> None:
        """See Home.move."""
        for source, target in moves.items():
            (self.folder / target).parent.mkdir(exist_ok=True)
            (self.folder / source).rename(self.folder / target)

    def clear(self, place: str) -> None:
        """See Home.clear."""
        remove_entry(self.folder / place)

    def begin(self, needed: Callable[[], Sequence[str]]) -> None:
        """See Home.begin."""
        # Not the folders: a writer that was killed may have left their names unsynced.
        self._known = files_below(self.folder / DATASET)

    def start(self) -> None:
        """See Home.start."""
        self._before = set(self._known)

    def settle(self, needed: Callable[[], Sequence[str]]) -> list[str]:
        """See Home.settle."""
        new = sync_new(self.folder / DATASET, self._known)
        # Lance rewrites its hint of the newest version, a .json.
        return [one.relative_to(self.folder).as_posix() for one in new if one.suffix != ".json"]

    def undo(self) -> None:
        """See Home.undo."""
        # Do not fill a full disk with files that nothing refers to.
        for path in files_below(self.folder / DATASET) - self._before:
            if path.is_file() and path.suffix != ".json":
                path.unlink(missing_ok=True)

    def lock(self) -> WriterLock:
        """See Home.lock."""
        return WriterLock(self.folder / LOCK)

    def require_lock(self) -> None:
        """See Home.require_lock."""

    @property
    def unsettled(self) -> bool:
        """See Home.unsettled."""
        return False

    def settled(self) -> None:
        """See Home.settled."""

    def doubt(self) -> None:
        """See Home.doubt."""

    def require_room(self, more: int) -> None:
        """See Home.require_room."""

    @property
    def keeps_versions(self) -> bool:
        """See Home.keeps_versions."""
        return False
