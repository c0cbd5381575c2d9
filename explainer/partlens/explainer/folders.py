"""What a folder holds, with all folders in it."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Contents:
    """What a folder holds.

    Attributes:
        files: everything that is not a folder, in a fixed order; links to files among them.
        unreadable: folders that could not be listed, or not completely.
        linked: links to folders, which are not followed, so that no loop can be entered.
    """

    files: tuple[Path, ...]
    unreadable: tuple[Path, ...]
    linked: tuple[Path, ...]


def contents(folder: Path) -> Contents:
    """List a folder and all folders in it; what cannot be listed is in the answer."""
    files, unreadable, linked = list[str](), list[str](), list[str]()
    waiting = [str(folder)]  # not recursive: folders may be nested deeper than calls
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if not _is_folder(entry):
                        files.append(entry.path)
                    elif entry.is_symlink():
                        linked.append(entry.path)
                    else:
                        waiting.append(entry.path)
        except OSError:
            unreadable.append(here)
    return Contents(*(_sorted(paths) for paths in (files, unreadable, linked)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere, or in a circle: reading it says so
        return False


def _sorted(paths: list[str]) -> tuple[Path, ...]:
    return tuple(Path(path) for path in sorted(paths, key=lambda path: path.split(os.sep)))
