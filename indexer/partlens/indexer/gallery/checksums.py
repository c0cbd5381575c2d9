"""SHA-256 of files, one a line as sha256sum writes and checks them, beside the files."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from partlens.common.files import open_regular, read_file, require_regular
from partlens.indexer.gallery.home.home import File

_LINE = re.compile(r"(\\?)([0-9a-f]{64})  (.+)")
_ESCAPES = {"\\": r"\\", "\n": r"\n"}


def digest(file: File) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    opening = open(file, "rb", opener=open_regular) if isinstance(file, Path) else file.open()
    with opening as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def record(sums: Path, files: Iterable[Path]) -> None:
    """Add lines for files that are written in full; their names are those below sums' folder.

    Not synced.
    """
    found = {str(file.relative_to(sums.parent)): digest(file) for file in files}
    with sums.open("ab") as out:
        out.write(lines(found))


def lines(digests: Mapping[str, str]) -> bytes:
    r"""One line for each name, as sha256sum writes them.

    >>> lines({"a\nb": 64 * "0"}) == b"\\" + 64 * b"0" + b"  a\\nb\n"
    True
    """
    return b"".join(map(_line, digests.keys(), digests.values()))


def _line(name: str, digest: str) -> bytes:
    escaped = "".join(_ESCAPES.get(one, one) for one in name)
    mark = "" if escaped == name else "\\"
    return os.fsencode(f"{mark}{digest}  {escaped}\n")


def recorded(sums: Path) -> Mapping[str, str]:
    """Name below sums' folder -> digest; the last line about a file counts, and lines cut short
    are skipped. OSError if it is there and cannot be read."""
    try:
        return parsed(read_file(sums))
    except FileNotFoundError:
        return {}


def parsed(content: bytes) -> Mapping[str, str]:
    """The same of the content of such a file."""
    found = os.fsdecode(content).split("\n")
    matches = (_LINE.fullmatch(line) for line in found)
    return {_name(match[3], escaped=bool(match[1])): match[2] for match in matches if match}


def _name(text: str, *, escaped: bool) -> str:
    if not escaped:
        return text
    meant = {escape: one for one, escape in _ESCAPES.items()}
    return re.sub(r"\\.", lambda match: meant.get(match[0], match[0]), text)


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
