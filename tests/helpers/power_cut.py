"""What a disk holds after a power cut: only what was synced, at each moment of a recorded run."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_SOURCE = Path(__file__).with_name("sync_log.c")


def recorder(folder: Path) -> Path:
    """A library to preload that records what is synced; raises if there is no C compiler."""
    made = folder / "sync_log.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(made), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return made


def environment(library: Path, root: Path, log: Path) -> dict[str, str]:
    """Of a process that is recorded."""
    own = {"LD_PRELOAD": str(library), "SYNC_LOG_ROOT": str(root), "SYNC_LOG": str(log)}
    return {**os.environ, **own}


@dataclass
class Disk:
    """What is durable.

    Attributes:
        files: inode -> content at its last sync; empty if it was never synced.
        folders: inode -> names at its last sync, with their inodes and whether they are folders.
        said: lines of the process itself that came before, each after its first letter.
    """

    files: dict[int, bytes] = field(default_factory=dict)
    folders: dict[int, dict[str, tuple[int, bool]]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def write(self, inode: int, place: Path) -> None:
        """Lay out the folder with this inode."""
        place.mkdir()
        for name, (of, is_folder) in self.folders.get(inode, {}).items():
            if is_folder:
                self.write(of, place / name)
            else:
                (place / name).write_bytes(self.files.get(of, b""))


def moments(log: Path) -> Iterator[Disk]:
    """The disk after each sync, and after each line of the process."""
    disk = Disk()
    with log.open("rb") as source:
        while line := source.readline():
            kind, *words = line.decode().rstrip("\n").split(" ", 2)
            if kind == "C":
                disk.files[int(words[0])] = source.read(int(words[1]))
                source.readline()
            elif kind == "F":
                names = dict[str, tuple[int, bool]]()
                while (entry := source.readline().decode().rstrip("\n")) != "E":
                    _, inode, what, name = entry.split(" ", 3)
                    names[name] = (int(inode), what == "d")
                disk.folders[int(words[0])] = names
            else:
                disk.said.append(line.decode().rstrip("\n"))
            yield disk


def laid_out(disk: Disk, root: int, place: Path) -> Path:
    """A folder with what is durable; replaces the last."""
    shutil.rmtree(place, ignore_errors=True)
    disk.write(root, place)
    return place
