"""Reads all files of a gallery repeatedly, at a bounded rate, and reports changed ones."""

import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from partlens.indexer.errors import DamagedError, LockedError, StorageError
from partlens.indexer.gallery.findings import KINDS, Finding
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.integrity import Identity, Piece, TruthFile, pieces
from partlens.indexer.gallery.loading import SEGMENTS
from partlens.indexer.gallery.pace import Pace, StoppedError, lower_priority
from partlens.indexer.gallery.scrub_record import Pass, ScrubRecord
from partlens.indexer.gallery.view import GalleryView

_log = logging.getLogger(__name__)
_TICK, _RETRY, _LIST, _SAVE = 1.0, 30.0, 1.0, 30.0
"""Seconds between two looks at what was found damaged, tries to mend it, lists of the files while
others commit, and writings of the record."""


class ScrubEvents(Protocol):
    """What a Scrubber tells, on its thread."""

    def read(self, count: int) -> None:
        """So many bytes were read."""

    def found(self, finding: Finding) -> None:
        """Damage that was not known before."""

    def cleared(self, finding: Finding, *, mended: bool) -> None:
        """Damage that is there no more: made again from the truth, or brought back by someone."""

    def passed(self, done: Pass) -> None:
        """Everything has been read once."""


class Scrubber:
    """Compares every file that a gallery's newest version needs with its checksum, on a thread.

    The truth comes first, then segments, then indexes. Files that a writer removes meanwhile are
    not damage. A damaged segment or index is rebuilt from the truth; if the truth is damaged too
    or another process is writing, that is tried again later. The truth is never changed. The next
    Scrubber resumes a pass that was stopped.

    Args:
        gallery: to read; something else must refresh it.
        file: where to remember what was read; see scrub_record.beside.
        bytes_per_second: that are read, at most.
        every: seconds from the beginning of a pass to that of the next, at least.
        clock: seconds since 1970, for tests.
    """

    def __init__(
        self,
        gallery: Gallery,
        file: Path,
        events: ScrubEvents,
        bytes_per_second: float = 20e6,
        every: float = 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gallery, self._file, self._events = gallery, file, events
        self._every, self._clock = every, clock
        self._pace = Pace(bytes_per_second, self._count)
        self._record = ScrubRecord.read(file)
        self._suspects = {*self._record.findings, *(one.place for one in gallery.damage)}
        self._record = replace(self._record, findings={})
        self._reported = set[str]()
        self._identities = dict[str, Identity]()
        self._listed: tuple[GalleryView, float] | None = None
        self._pieces, self._keys = list[Piece](), list[tuple[int, str]]()
        self._bytes, self._saved, self._tried = 0, 0.0, 0.0
        self._thread = threading.Thread(target=self._run, name="partlens-scrub", daemon=True)
        self._thread.start()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Damage that is known now."""
        return tuple(self._record.findings.values())

    @property
    def last(self) -> Pass | None:
        """The newest pass that covered everything."""
        return self._record.last

    @property
    def alive(self) -> bool:
        """Whether its thread runs; it ends only by close, or by an error that was logged."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Ends the thread, soon, and writes the record."""
        self._pace.stop()
        self._thread.join()

    def _run(self) -> None:
        lower_priority()
        while True:
            try:
                self._look_at_suspects()
                self._rest_until_due()
                self._read_all()
            except StoppedError:
                self._save()
                return
            except Exception:
                # Whatever it is, the next try may go better; reading files must not end unseen.
                _log.exception("gallery %s cannot be scrubbed now", self._gallery.path.name)
                try:
                    self._pace.rest(_RETRY)
                except StoppedError:
                    return

    def _look_at_suspects(self) -> None:
        """Read first the files that were damaged before."""
        self._list(again=True)
        for piece in [one for one in self._pieces if one.place in self._suspects]:
            self._examine(piece)
        self._suspects.clear()

    def _rest_until_due(self) -> None:
        last = self._record.last
        while self._record.running is None and last is not None:
            now = self._clock()
            if not last.started <= now < last.started + self._every:
                return
            self._look_at_findings()
            self._pace.rest(min(_TICK, last.started + self._every - now))

    def _read_all(self) -> None:
        running = self._record.running or Pass(self._clock())
        self._bytes = running.bytes
        while piece := self._after(running.position):
            self._look_at_findings()
            self._examine(piece)
            unchecked = isinstance(piece, TruthFile) and piece.digest is None
            running = replace(
                running,
                position=piece.place,
                files=running.files + 1,
                bytes=self._bytes,
                unchecked=running.unchecked + unchecked,
            )
            self._record = replace(self._record, running=running)
            if time.monotonic() > self._saved + _SAVE:
                self._save()
        done = replace(running, ended=self._clock(), position="")
        self._record = replace(self._record, running=None, last=done)
        self._save()
        self._events.passed(done)

    def _after(self, position: str) -> Piece | None:
        """The next piece of the newest version; None after the last."""
        self._list()
        number = bisect_right(self._keys, _key(position)) if position else 0
        if number == len(self._keys):
            self._list(again=True)
            number = bisect_right(self._keys, _key(position)) if position else 0
        return self._pieces[number] if number < len(self._keys) else None

    def _list(self, *, again: bool = False) -> None:
        """Follow what was committed."""
        view, now = self._gallery.view, time.monotonic()
        if self._listed and (
            view is self._listed[0] or (now < self._listed[1] + _LIST and not again)
        ):
            return
        self._pieces = sorted(pieces(view, self._gallery.bound), key=lambda one: _key(one.place))
        self._keys, self._listed = [_key(one.place) for one in self._pieces], (view, now)
        there = {one.place for one in self._pieces}
        for finding in self.findings:
            if finding.place not in there:
                self._clear(finding, mended=False)

    def _look_at_findings(self) -> None:
        """Check what was restored meanwhile or failed in a search, and retry failed repairs."""
        self._list()
        failed = self._failed()
        for piece in [one for one in self._pieces if one.place in failed]:
            self._examine(piece)
        found = self._record.findings
        if not found:
            return
        retry = time.monotonic() > self._tried + _RETRY
        for piece in [one for one in self._pieces if one.place in found]:
            if piece.identity() != self._identities.get(piece.place):
                self._examine(piece)
            elif retry and found[piece.place].repairable:
                self._mend(found[piece.place])

    def _failed(self) -> set[str]:
        """Segments that a search could not read, each reported once."""
        live = self._gallery.view.live.segments
        failed = {f"{SEGMENTS}/{one.path.name}" for one in live if one.failed and one.path}
        fresh, self._reported = failed - self._reported, failed
        return fresh

    def _examine(self, piece: Piece) -> None:
        self._pace.require_going()
        before, known = piece.identity(), self._record.findings.get(piece.place)
        finding = piece.examine(self._pace.digest)
        if finding is None:
            if known:
                self._clear(known, mended=False)
            return
        self._identities[piece.place] = before
        self._remember({**self._record.findings, piece.place: finding})
        if known is None:
            self._events.found(finding)
        if finding.repairable:
            self._mend(finding)

    def _mend(self, finding: Finding) -> None:
        self._tried = time.monotonic()
        if any(one.kind == "truth" for one in self.findings):
            return  # a segment may be the better copy
        try:
            self._gallery.mend(finding, self._pace.require_going)
        except (LockedError, StorageError, DamagedError) as error:
            _log.warning("%s cannot be rebuilt now: %s", finding.place, error)
        else:
            self._clear(finding, mended=True)

    def _clear(self, finding: Finding, *, mended: bool) -> None:
        self._identities.pop(finding.place, None)
        left = {
            place: one for place, one in self._record.findings.items() if one.place != finding.place
        }
        self._remember(left)
        self._events.cleared(finding, mended=mended)

    def _remember(self, findings: dict[str, Finding]) -> None:
        self._record = replace(self._record, findings=findings)
        self._save()

    def _save(self) -> None:
        self._saved = time.monotonic()
        try:
            self._record.write(self._file)
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._file.name, error)

    def _count(self, count: int) -> None:
        self._bytes += count
        self._events.read(count)


def _key(place: str) -> tuple[int, str]:
    """Order of places: what cannot be rebuilt comes first."""
    return KINDS.index(Finding(place, "", repairable=False).kind), place
