"""The truth of a gallery in a bucket of an S3-compatible store."""

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from partlens.common.bucket_address import BucketAddress
from partlens.indexer.errors import LockedError, StorageError, UnreachableError
from partlens.indexer.gallery.durability import Lock, WriterLock
from partlens.indexer.gallery.home.bucket_file import BucketFile
from partlens.indexer.gallery.home.folder import DATASET, LOCK
from partlens.indexer.gallery.home.home import Home, State
from partlens.indexer.gallery.home.lease import LEASE, SECONDS, Lease
from partlens.indexer.gallery.home.scratch import Scratch
from partlens.indexer.object_stores import access
from partlens.indexer.object_stores.errors import reaching, unreachable


class BucketHome(Home):
    """A prefix in a bucket. What is derived lies in a scratch folder of this machine.

    A record is replaced only if it is still the one that this process wrote last, or that was there
    when it became the writer. So a process that lost its lease without knowing cannot commit.

    Args:
        address: where the gallery is.
        scratch: folders on this machine.
        lease_seconds: how long a lease lasts without being renewed.
    """

    remote = True
    seconds = 1.0

    def __init__(
        self, address: BucketAddress, scratch: Scratch, lease_seconds: float = SECONDS
    ) -> None:
        self.place = self.address = address
        self.name = address.name
        self.folder, self._scratch = scratch.made(address), scratch
        self.dataset, self.options = self.url(DATASET), access.lance_options()
        self._store = access.store(address.bucket, address.prefix)
        self._lease_seconds = lease_seconds
        self._lease: Lease | None = None
        # Tags of the records that this process may replace; None: there was none.
        self._tags, self._sums = dict[str, str](), dict[str, bytes]()
        self._settled = set[str]()
        self._writing = threading.RLock()
        self._versioned = False

    def __str__(self) -> str:
        return str(self.address)

    def file(self, place: str) -> BucketFile:
        """See Home.file."""
        return BucketFile(self._store, place)

    def state(self, place: str) -> State | None:
        """See Home.state."""
        try:
            with reaching(place):
                found = self._store.head(place)
        except FileNotFoundError:
            return None
        return State(found["size"], found["e_tag"] or "")

    def names(self, below: str) -> list[str]:
        """See Home.names."""
        with reaching(f"{self.address}/{below}"):
            found = obstore.list_with_delimiter(self._store, f"{below}/")
        places = [*(one["path"] for one in found["objects"]), *found["common_prefixes"]]
        return [place.rpartition("/")[2] for place in places]

    def places(self) -> Iterator[str]:
        """See Home.places."""
        return (place for place in self._list("") if place != LEASE)

    def _list(self, below: str) -> Iterator[str]:
        with reaching(f"{self.address}/{below}"):
            for batch in self._store.list(below or None):
                yield from (one["path"] for one in batch)

    def read(self, place: str) -> bytes:
        """See Home.read."""
        with reaching(place):
            return bytes(self._store.get(place).bytes())

    def write(self, place: str, content: bytes) -> None:
        """See Home.write."""
        with self._writing:
            self.require_lock()
            self._sums.pop(place, None)
            self._replace(place, content)

    def append(self, place: str, content: bytes) -> None:
        """See Home.append."""
        with self._writing:
            self.require_lock()
            if place not in self._sums:
                self._sums[place] = self.read(place) if place in self._tags else b""
            joined = self._sums[place] + content
            self._replace(place, joined)
            self._sums[place] = joined

    def remove(self, places: Iterable[str]) -> None:
        """See Home.remove."""
        for place in places:
            self.require_lock()
            with reaching(place):
                self._store.delete(place)

    def url(self, place: str) -> str:
        """See Home.url."""
        return f"{self.address}/{place}"

    def prepare(self, place: str) -> None:
        """See Home.prepare."""

    def mark(self, place: str) -> int:
        """See Home.mark."""
        # One object each: a store cannot append, and two processes may leave one at a time.
        with reaching(place):
            self._store.put(f"{place}/{secrets.token_hex(8)}", b"")
        return sum(1 for _ in self._list(f"{place}/"))

    def move(self, moves: Mapping[str, str]) -> None:
        """See Home.move."""
        for source, target in moves.items():
            self.require_lock()
            try:
                with reaching(source):
                    self._store.copy(source, target)
            except FileNotFoundError as error:
                raise LockedError(
                    f"gallery {self.name!r}: another process has removed {source} meanwhile;"
                    " nothing was changed, do it again"
                ) from error
        self._delete(list(moves))

    def clear(self, place: str) -> None:
        """See Home.clear."""
        self._delete(list(self._list(f"{place}/")))

    def _delete(self, places: Sequence[str]) -> None:
        """Remove objects by few requests."""
        self.require_lock()
        if places:
            with reaching(str(self.address)):
                self._store.delete(places)

    def begin(self, needed: Callable[[], Sequence[str]]) -> None:
        """See Home.begin."""
        self._settled = set(needed())

    def start(self) -> None:
        """See Home.start."""
        self.require_lock()

    def settle(self, needed: Callable[[], Sequence[str]]) -> list[str]:
        """See Home.settle."""
        self.require_lock()
        places = set(needed())
        new = sorted(places - self._settled)
        self._settled = places
        return new

    def undo(self) -> None:
        """See Home.undo."""
        # The store's client may still be sending; a later cleaning removes what arrives.
        return

    def lock(self) -> Lock:
        """See Home.lock."""
        with self._writing:
            if self._lease is not None:
                raise LockedError(f"this process is already writing to gallery {self.name!r}")
            self._tags = self._tags_now()
            mine = Lease(
                lambda: self.read(LEASE),
                lambda content: self._replace(LEASE, content),
                self.name,
                self._lease_seconds,
            )
            # Again: the last writer may have written until it let go.
            self._tags, self._sums = {**self._tags_now(), LEASE: self._tags[LEASE]}, {}
            self._lease = mine
        try:
            return _Both(mine, self._scratch.lock(self.folder / LOCK), self._let_go)
        except BaseException:
            self._let_go()
            mine.release()
            raise

    def _let_go(self) -> None:
        self._lease = None

    def require_lock(self) -> None:
        """See Home.require_lock."""
        lease = self._lease
        if lease is None:
            raise LockedError(f"gallery {self.name!r} is not being written to by this process")
        lease.require()

    @property
    def unsettled(self) -> bool:
        """See Home.unsettled."""
        return self._lease is not None and self._lease.unsettled

    def settled(self) -> None:
        """See Home.settled."""
        if self._lease is not None:
            self._lease.unsettled = False

    def doubt(self) -> None:
        """See Home.doubt."""
        if self._lease is not None:
            self._lease.unsettled = True

    def require_room(self, more: int) -> None:
        """See Home.require_room."""
        self._scratch.require_room(self.folder, more)

    @property
    def keeps_versions(self) -> bool:
        """See Home.keeps_versions."""
        return self._versioned

    def require_conditions(self) -> None:
        """Raise StorageError if the store writes objects whatever the conditions of a request."""
        place = f"probe-{secrets.token_hex(8)}"
        with self._writing:
            try:
                with reaching(place):
                    self._put(place, b"1", None)
                for tag in (None, '"00000000000000000000000000000000"'):
                    try:
                        self._put(place, b"2", tag)
                    except (AlreadyExistsError, PreconditionError):
                        continue
                    raise StorageError(
                        f"the store of {self.address} does not honour conditional writes"
                        " (If-None-Match and If-Match of PutObject), so two writers could"
                        " lose images; use a store, or a version of it, that does"
                    )
            finally:
                self._tags.pop(place, None)
                with suppress(Exception):
                    self._store.delete(place)

    def _tags_now(self) -> dict[str, str]:
        """Tags of the records, which are the objects right below the gallery."""
        with reaching(str(self.address)):
            found = obstore.list_with_delimiter(self._store, None)["objects"]
        return {one["path"]: one["e_tag"] or "" for one in found}

    def _replace(self, place: str, content: bytes) -> None:
        try:
            self._put(place, content, self._tags.get(place))
        except (AlreadyExistsError, PreconditionError) as error:
            self._require_written(place, content, error)
        except (OSError, BaseError) as error:
            if self._is_written(place, content):
                return
            problem = f"{place} cannot be written"
            raise unreachable(problem, error) or UnreachableError(problem) from error

    def _put(self, place: str, content: bytes, tag: str | None) -> None:
        made = self._store.put(
            place, content, mode="create" if tag is None else {"e_tag": tag}, use_multipart=False
        )
        self._tags[place] = made["e_tag"] or ""
        self._versioned |= made["version"] not in (None, "null")

    def _require_written(self, place: str, content: bytes, error: BaseException) -> None:
        """Raise LockedError unless the object is what was to be written: the store may have taken
        the first of two tries, and refused the second."""
        if self._is_written(place, content):
            return
        if self._lease is not None:
            self._lease.lose()
        raise LockedError(
            f"gallery {self.name!r}: another process has written {place} meanwhile; nothing was"
            " changed, do it again"
        ) from error

    def _is_written(self, place: str, content: bytes) -> bool:
        try:
            with reaching(place):
                found = self._store.get(place)
                same = bytes(found.bytes()) == content
        except (FileNotFoundError, UnreachableError):
            return False
        if same:
            self._tags[place] = found.meta["e_tag"] or ""
        return same


class _Both(Lock):
    """The lease of a gallery, and the lock of its scratch folder."""

    def __init__(self, lease: Lease, folder: WriterLock, done: Callable[[], None]) -> None:
        self._lease, self._folder, self._done = lease, folder, done

    @property
    def lost(self) -> bool:
        """See Lock.lost."""
        return self._lease.lost

    def release(self) -> None:
        """See Lock.release."""
        self._folder.release()
        self._lease.release()
        self._done()
