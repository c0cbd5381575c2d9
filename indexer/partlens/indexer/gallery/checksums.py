"""SHA-256 of files, one a line as sha256sum writes and checks them, beside the files."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from partlens.common.durable import write_atomically
from partlens.common.files import open_regular, read_file, require_regular

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb", opener=open_regular) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record(sums: Path, files: Iterable[Path]) -> None:
    """Add lines for files that are written in full; their names are those below sums' folder.

    Not synced.
    """
    with sums.open("a", encoding="utf-8") as out:
        for file in files:
            out.write(f"{digest(file)}  {file.relative_to(sums.parent)}\n")


def recorded(sums: Path) -> Mapping[str, str]:
    """Name below sums' folder -> digest; the last line about a file counts, and lines cut short
    are skipped. OSError if it is there and cannot be read."""
    try:
        lines = read_file(sums).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    matches = (_LINE.fullmatch(line) for line in lines)
    return {match[2]: match[1] for match in matches if match}


def difference(
    folder: Path,
    sums: Path,
    chosen: Callable[[Path], bool] = lambda _: True,
    digest_of: Callable[[Path], str] = digest,
) -> str | None:
    """What is wrong with a folder that must hold exactly the files that `sums`, in it, lists.

    Args:
        chosen: the files to read and compare; the others must only be there.
        digest_of: gives the SHA-256 of a file.

    Returns:
        A message that names the file; None if all is as it was written.

    Raises:
        OSError: a file cannot be read or is not a regular one, or the folder is gone.
    """
    expected = recorded(sums)
    names = {file.name for file in folder.iterdir() if file != sums}
    for name in sorted(names | set(expected)):
        if name not in names:
            return f"lacks its file {name}"
        if name not in expected:
            return f"has no checksum of {name}"
        require_regular(folder / name)
        if chosen(folder / name) and digest_of(folder / name) != expected[name]:
            return f"{name} differs from its checksum"
    return None if expected else f"lacks its file {sums.name}"


def forget_missing(sums: Path) -> None:
    """Drop the lines of files that are gone; on disk when this returns."""
    kept = {name: value for name, value in recorded(sums).items() if (sums.parent / name).exists()}
    write_atomically(sums, "".join(f"{value}  {name}\n" for name, value in kept.items()))
