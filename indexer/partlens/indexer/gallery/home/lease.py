"""One writer of a bucket at a time, by an object that says who it is and for how long."""

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from partlens.indexer.errors import DamagedError, LockedError, StorageError

LEASE = "writer.lease"
SECONDS = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """What the object says.

    Attributes:
        owner: random name of the process that holds or held the lease.
        epoch: how many have held it.
        expires: until when, in seconds since 1970; 0 once it was released.
        unsettled: whether requests of its holder may still arrive after its release.
    """

    owner: str
    epoch: int
    expires: float
    unsettled: bool = False

    @classmethod
    def parse(cls, content: bytes) -> "Holder":
        """Parse the object; DamagedError if it is not one."""
        try:
            plain = json.loads(content)
            return cls(
                str(plain["owner"]),
                int(plain["epoch"]),
                float(plain["expires"]),
                bool(plain["unsettled"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedError(
                f"{LEASE} cannot be read ({error}); make sure that no process writes to the"
                " gallery, and remove this object"
            ) from error

    def content(self) -> bytes:
        """The object."""
        return json.dumps(asdict(self)).encode()


class Lease:
    """The lease of this process, renewed on a thread.

    What keeps a process that lost it from doing harm are conditional writes, not the lease: clocks
    that differ only make a process lose it early.

    Args:
        read: reads the object, and remembers its ETag; FileNotFoundError if there is none.
        write: replaces the object that was read or written last, or creates it if there was none;
            LockedError if another process has written it meanwhile.
        name: of the gallery, for messages.
        seconds: how long the lease lasts without being renewed.

    Raises:
        LockedError: another process holds it.
        StorageError: the store cannot be reached.
    """

    def __init__(
        self,
        read: Callable[[], bytes],
        write: Callable[[bytes], None],
        name: str,
        seconds: float = SECONDS,
    ) -> None:
        self._write, self._name, self._seconds = write, name, seconds
        try:
            before = Holder.parse(read())
        except FileNotFoundError:
            before = Holder("", 0, 0.0)
        left = before.expires - time.time()
        if left > 0:
            raise LockedError(
                f"gallery {name!r} is being written to by another process; wait until it has"
                f" ended, or {min(left, seconds):.0f} seconds if it was killed"
            )
        self.unsettled = before.unsettled or before.expires > 0
        self._lost, self._stop = False, threading.Event()
        self._mine = Holder(secrets.token_hex(8), before.epoch + 1, 0.0)
        self._valid_until = 0.0
        self._renew()
        self._thread = threading.Thread(target=self._keep, name="partlens-lease", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether another process has taken it over."""
        return self._lost

    def require(self) -> None:
        """Raise LockedError unless the lease is valid."""
        if self._lost:
            raise LockedError(
                f"gallery {self._name!r} was taken over by another process, since this one did"
                " not renew its lease in time; nothing was changed, do it again"
            )
        if time.monotonic() >= self._valid_until:
            self._renew()

    def release(self) -> None:
        """Let others write."""
        self._stop.set()
        self._thread.join()
        if self._lost:
            return
        try:
            self._write(replace(self._mine, expires=0.0, unsettled=self.unsettled).content())
        except (StorageError, LockedError) as error:
            _log.warning("gallery %s: the lease was not released: %s", self._name, error)

    def lose(self) -> None:
        """Note that another process has taken it over."""
        self._lost = True

    def _keep(self) -> None:
        while not self._stop.wait(self._seconds / 3):
            try:
                self._renew()
            except LockedError:
                return
            except StorageError as error:
                _log.warning("gallery %s: the lease cannot be renewed: %s", self._name, error)

    def _renew(self) -> None:
        began = time.monotonic()
        try:
            self._write(replace(self._mine, expires=time.time() + self._seconds).content())
        except LockedError:
            self._lost = True
            raise
        self._valid_until = began + self._seconds
