"""One `partlens open` for each gallery: a second one finds the page of the first."""

import fcntl
import json
import os
import secrets
import time
from pathlib import Path
from typing import Self

from partlens.common.durable import write_atomically
from partlens.server.errors import AlreadyOpenError, OpenError

_LARGEST_PORT = 65535
_START = 10.0
"""Seconds to wait for the address of a process that is starting."""


class Instance:
    """Holds a gallery open for this process, until it ends.

    Args:
        gallery: its folder; two files are kept next to it.
        photos: the source that is opened.

    Raises:
        AlreadyOpenError: another process has the source open.
        OpenError: another process has this gallery open for another source.
    """

    def __init__(self, gallery: Path, photos: Path) -> None:
        self._photos = photos
        # Not its process id, which two containers may share.
        self._name = secrets.token_hex(8)
        self._record = gallery.with_name(f"{gallery.name}.open.json")
        lock = gallery.with_name(f"{gallery.name}.open.lock")
        self._handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        if not self._locked():
            os.close(self._handle)
            raise self._refusal(gallery)

    @property
    def last_port(self) -> int:
        """Port of the page the last time, so that links to it stay valid; 0 if there was none."""
        port = self._read().get("port")
        return port if type(port) is int and 0 < port <= _LARGEST_PORT else 0

    def announce(self, address: str) -> None:
        """Let others find the page."""
        port = int(address.rstrip("/").rpartition(":")[2])
        record = {
            "holder": self._name,
            "address": address,
            "port": port,
            "photos": str(self._photos),
        }
        write_atomically(self._record, json.dumps(record))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def _locked(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        os.ftruncate(self._handle, 0)
        os.write(self._handle, self._name.encode())
        return True

    def _refusal(self, gallery: Path) -> OpenError:
        lock = gallery.with_name(f"{gallery.name}.open.lock")
        end = time.monotonic() + _START
        while True:
            found = self._read()
            # A record of an earlier process names another holder than the lock.
            if found.get("holder") == lock.read_text(encoding="utf-8", errors="replace"):
                if found.get("photos") == str(self._photos):
                    return AlreadyOpenError(str(found.get("address", "")))
                return OpenError(
                    f"{gallery} is open for {found.get('photos')}, at {found.get('address')}; give"
                    " another --gallery, or stop that process"
                )
            if time.monotonic() > end:
                return OpenError(
                    f"another process is opening {self._photos}, and its page has no address yet;"
                    " try again soon"
                )
            time.sleep(0.1)

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
