"""Keeps the compiled kernel between processes: one file for each processor, version and folder.

numba's own cache needs a folder that it may write, and trusts whatever is in it. So it only ever
gets a private folder, which is filled from a file that is checked, and emptied again. The file is
an archive behind its digest: an archive's own checksums do not cover the list of what it holds.
"""

import hashlib
import importlib.util
import io
import logging
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from partlens.common.durable import write_atomically

_log = logging.getLogger(__name__)
_SOURCES = Path(__file__).parent
_DIGEST = hashlib.sha256
_DIGEST_BYTES = _DIGEST().digest_size


def name_of(*versions: object) -> str:
    """The name of the file for these versions of what compiles, and for the sources here."""
    digest = hashlib.sha256(repr((versions, sys.version, str(_SOURCES))).encode())
    for path in sorted(_SOURCES.glob("*.py")):
        digest.update(path.read_bytes())
    return f"scoring-{digest.hexdigest()[:32]}.zip"


def restore(name: str, into: Path) -> Path | None:
    """Unpack the file of a name into a new folder; where it was, or None if there is no sound one.

    Whatever can be wrong with it is logged: it is compiled again then.
    """
    for path in (folder / name for folder in _folders()):
        try:
            with path.open("rb") as file:
                _require_ours(os.fstat(file.fileno()))
                content = _checked(file.read())
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                packed.extractall(into)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            _log.warning("%s cannot be used and is made again: %s", path, error)
            shutil.rmtree(into, ignore_errors=True)
            continue
        return path
    return None


def keep(name: str, folder: Path) -> Path:
    """Pack a folder into the file of a name; where that is.

    Raises:
        OSError: no folder can be written.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    content = packed.getvalue()
    content = _DIGEST(content).digest() + content
    refused = OSError("no folder to keep it in")
    for place in _folders(writing=True):
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(place / name, content, 0o644)
        except OSError as error:
            refused = error
            continue
        return place / name
    raise refused


def _folders(*, writing: bool = False) -> Iterator[Path]:
    """Where the file may be, best first: next to Python's own bytecode, then of this user."""
    if not (writing and sys.dont_write_bytecode):
        yield Path(importlib.util.cache_from_source(__file__)).parent
    root = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(root):
        yield Path(root, "partlens")
    else:
        try:
            yield Path.home() / ".cache" / "partlens"
        except RuntimeError:
            return


def _checked(content: bytes) -> bytes:
    """What follows the digest in a file.

    Raises:
        ValueError: it is not what was written.
    """
    digest, packed = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if _DIGEST(packed).digest() != digest:
        raise ValueError("it is damaged")
    return packed


def _require_ours(status: os.stat_result) -> None:
    """Code that others could write must not run.

    Raises:
        ValueError: they could.
    """
    if status.st_uid not in (os.geteuid(), _SOURCES.stat().st_uid) or status.st_mode & 0o022:
        raise ValueError("another user could have written it")
