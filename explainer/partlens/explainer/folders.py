"""Lists a folder and its subfolders."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Contents:
    """Contents of a folder and its subfolders.

    Attributes:
        files: everything that is not a folder, including links to files, in a fixed order.
        unreadable: folders that could not be listed, or only in part.
        linked: links to folders; they are not followed, which rules out loops.
    """

    files: tuple[Path, ...]
    unreadable: tuple[Path, ...]
    linked: tuple[Path, ...]


def contents(folder: Path) -> Contents:
    """List a folder and its subfolders; the result also names folders that cannot be listed."""
    files, unreadable, linked = list[str](), list[str](), list[str]()
    waiting = [str(folder)]  # not recursive: folders may be nested deeper than the call stack
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
    except OSError:  # a broken or circular link: reading it reports the error
        return False


def _sorted(paths: list[str]) -> tuple[Path, ...]:
    return tuple(Path(path) for path in sorted(paths, key=lambda path: path.split(os.sep)))
