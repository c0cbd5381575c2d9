"""Files that are either wholly there or not: synced writes, and JSON that carries its checksum."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from partlens.indexer.errors import DamagedError


def sync(path: Path) -> None:
    """Force a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that a crash leaves absent, as it was, or whole; returns once it is on disk."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync(path.parent)


def digest(data: bytes) -> str:
    """Of some bytes, in hexadecimal; detects damage, not malice."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_file(path: Path) -> str:
    """Of a file's bytes, read a piece at a time.

    Raises:
        DamagedError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror}") from error


def write_json(path: Path, body: Mapping[str, object]) -> None:
    """Write an object that read_json can tell from a damaged one."""
    text = json.dumps(body, sort_keys=True, indent=1)
    write_whole(path, json.dumps({"checksum": digest(text.encode()), "body": text}).encode())


def read_json(path: Path) -> dict[str, object]:
    """Read what write_json wrote.

    Raises:
        DamagedError: it is absent, not ours or changed.
    """
    try:
        outer = json.loads(path.read_bytes())
        text = outer["body"]
        if digest(text.encode()) != outer["checksum"]:
            raise DamagedError(f"{path} does not match its own checksum")
        body = json.loads(text)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise DamagedError(f"{path} cannot be read: {error}") from error
    if not isinstance(body, dict):
        raise DamagedError(f"{path} does not hold an object")
    return body
