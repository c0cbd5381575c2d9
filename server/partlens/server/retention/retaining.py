"""Erases images older than the retention period, on a schedule, with a receipt each time."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from partlens.common.durable import make_folder
from partlens.common.moments import duration
from partlens.indexer.errors import ChangedError, GalleryError, LockedError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.erasure import Receipt, write_receipt
from partlens.indexer.gallery.retention import expired
from partlens.indexer.gallery.unfinished import finish, unfinished
from partlens.runtime.config.settings import Settings
from partlens.server.audit.chain import BEGUN
from partlens.server.audit.log import AuditLog
from partlens.server.audit.moments import now
from partlens.server.observe.metrics import GalleryFigures
from partlens.server.retention.erasing import described, erase_images, is_complete
from partlens.server.standing.holding import folders

_log = logging.getLogger(__name__)
_AGAIN = 60.0
"""Seconds until another try while another process writes to the gallery."""
_MOST_JUMP = 60.0
"""Seconds by which the clock may move against the time that passed since the start."""


@dataclass(frozen=True)
class Schedule:
    """When a gallery's old images are erased.

    Attributes:
        keep: how long an image is kept.
        every: seconds between two erasures.
        receipts: folder of the receipts.
        standing: folders of standing queries that may hold something of an erased image.
        delete_standing: whether such standing queries are deleted.
    """

    keep: timedelta
    every: float
    receipts: Path
    standing: Sequence[Path]
    delete_standing: bool


def schedule(settings: Settings, name: str, gallery: Path) -> Schedule | None:
    """The schedule of the gallery with this name; None if its images are kept for ever."""
    section, named = settings.retention, settings.server.galleries.get(name)
    keep = (named.keep if named else None) or section.keep
    if keep is None or keep == "never":
        return None
    folder = section.receipts
    if folder is not None and named:
        folder /= name
    return Schedule(
        keep=duration(keep),
        every=3600 * section.every_hours,
        receipts=folder or beside(gallery),
        standing=folders(gallery, settings),
        delete_standing=section.delete_standing,
    )


class Retention:
    """Erases what is too old, once per period of the schedule and never twice at once.

    Args:
        name: own name of the gallery.
        log: gets a line before each erasure and one after it.
        turn: held while old images are looked for and erased: one gallery at a time.
        clock, steady: seconds since 1970, and since any moment.
    """

    def __init__(
        self,
        name: str,
        gallery: Gallery,
        figures: GalleryFigures,
        schedule: Schedule,
        log: AuditLog,
        turn: asyncio.Lock,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._gallery = name, gallery
        self._erased, self._completed = figures.retained, figures.retention_completed()
        self._schedule, self._audit, self._turn = schedule, log, turn
        self._clock, self._steady = clock, steady
        self._offset = clock() - steady()

    async def run(self) -> None:
        """Until cancelled: erases now, and then on schedule."""
        while True:
            await asyncio.sleep(self._schedule.every if await self._in_turn() else _AGAIN)

    async def _in_turn(self) -> bool:
        async with self._turn:
            return await self.once()

    async def once(self) -> bool:
        """Erases what is too old now.

        Returns:
            Whether that is done until the next time.

        Raises:
            AuditError: the audit log cannot be written; if it is the first line, nothing is erased.
            GalleryError: the gallery is damaged, or its disk refuses the write.
        """
        if not self._clock_is_right():
            return False
        at = datetime.fromtimestamp(self._clock(), UTC)
        ids = await asyncio.to_thread(self._expired, at)
        left = await asyncio.to_thread(unfinished, self._gallery.home)
        if (ids or left) and not await self._erase_in_log(ids, len(left.keys() | set(ids)), at):
            return False
        self._completed.set(self._clock())
        return True

    def _clock_is_right(self) -> bool:
        jump = self._clock() - self._steady() - self._offset
        if abs(jump) <= _MOST_JUMP:
            return True
        _log.error(
            "no image of gallery %s was erased: the clock has moved by %.0f s since the server"
            " started; set it right, or restart the server if it is right now",
            self._name,
            jump,
        )
        return False

    async def _erase_in_log(self, ids: Sequence[str], images: int, at: datetime) -> bool:
        """Erase images, with a line before and one after; False if another time must be tried.

        Args:
            images: how many, with those of an erasure that was interrupted.
        """
        entry = {
            "event": "retention", "method": "retention", "request": "", "images": images,
            "gallery": self._name,
        }  # fmt: skip
        begun = await self._audit.append({"at": now(), **entry, "outcome": BEGUN})
        outcome, deleted = "FAILED", 0
        try:
            receipt = await asyncio.to_thread(self._erase, ids, at)
            outcome = "OK" if is_complete(receipt) else "TRACES_LEFT"
            deleted = len(receipt.erased)
        except (LockedError, ChangedError) as error:
            _log.info("old images of %s are not erased yet: %s", self._name, error)
            return False
        finally:
            done = {"outcome": outcome, "deleted": deleted, "begun": begun}
            await self._audit.append({"at": now(), **entry, **done})
        if not receipt.gone:
            raise GalleryError(f"traces of erased images remain; see {self._schedule.receipts}")
        if receipt.object_versions_kept:
            _log.warning(
                "the bucket of gallery %s keeps older versions of its objects, which still hold the"
                " erased images; delete these versions, and have the bucket keep none",
                self._name,
            )
        self._erased.inc(deleted)
        _log.info("erased %d old images of gallery %s", deleted, self._name)
        return True

    def _expired(self, at: datetime) -> Sequence[str]:
        return expired(self._gallery, self._schedule.keep, (), at).ids

    def _erase(self, ids: Sequence[str], at: datetime) -> Receipt:
        planned = self._schedule
        make_folder(planned.receipts)  # first, as nothing is erased without a receipt
        receipt, left = erase_images(
            self._gallery,
            ids,
            planned.standing,
            delete=planned.delete_standing,
            confirmed=lambda: self._expired(at),
        )
        name = at.strftime("%Y%m%dT%H%M%S%fZ.json")
        write_receipt(receipt, planned.receipts / name)
        if is_complete(receipt):
            with self._gallery.writing():
                finish(self._gallery.home)
        for one in left:
            _log.warning(
                "%s of gallery %s; delete it with `partlens standing delete`, or set"
                " retention.delete_standing",
                described(one),
                self._name,
            )
        return receipt


def beside(gallery: Path) -> Path:
    """The default folder of a gallery's receipts.

    >>> beside(Path("data/people")).as_posix()
    'data/people.receipts'
    """
    return gallery.with_name(f"{gallery.name}.receipts")
