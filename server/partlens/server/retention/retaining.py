"""Erases images older than the retention period, on a schedule, with a receipt each time."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from partlens.common.durable import make_folder
from partlens.common.moments import duration
from partlens.indexer.errors import ChangedError, GalleryError, LockedError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.erasure import Receipt, erase_from_open, write_receipt
from partlens.indexer.gallery.retention import expired
from partlens.runtime.config.sections import RetentionSection
from partlens.server.audit.chain import BEGUN
from partlens.server.audit.log import AuditLog
from partlens.server.audit.moments import now
from partlens.server.observe.metrics import GalleryMetrics

_log = logging.getLogger(__name__)
_AGAIN = 60.0
"""Seconds until another try while another process writes to the gallery."""
_MOST_JUMP = 60.0
"""Seconds by which the clock may move against the time that passed since the start."""


class Retention:
    """Erases what is too old, once per period of the schedule and never twice at once.

    Args:
        section: its `keep` is set.
        log: gets a line before each erasure and one after it.
        clock, steady: seconds since 1970, and since any moment.
    """

    def __init__(
        self,
        gallery: Gallery,
        section: RetentionSection,
        log: AuditLog,
        metrics: GalleryMetrics,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gallery, self._audit, self._metrics = gallery, log, metrics
        self._keep, self._every = duration(section.keep or ""), 3600 * section.every_hours
        self._folder = section.receipts or beside(gallery.path)
        self._clock, self._steady = clock, steady
        self._offset = clock() - steady()

    async def run(self) -> None:
        """Until cancelled: erases now, and then on schedule."""
        while True:
            await asyncio.sleep(self._every if await self.once() else _AGAIN)

    async def once(self) -> bool:
        """Erases what is too old now.

        Returns:
            Whether that is done until the next time.

        Raises:
            AuditError: the audit log cannot be written; if it is the first line, nothing is erased.
            GalleryError: the gallery is damaged, or its disk refuses the write.
        """
        jump = self._clock() - self._steady() - self._offset
        if abs(jump) > _MOST_JUMP:
            _log.error(
                "no image was erased: the clock has moved by %.0f s since the server started; set"
                " it right, or restart the server if it is right now",
                jump,
            )
            return False
        at = datetime.fromtimestamp(self._clock(), UTC)
        ids = await asyncio.to_thread(self._expired, at)
        if ids:
            entry = {"event": "retention", "method": "retention", "request": "", "images": len(ids)}
            begun = await self._audit.append({"at": now(), **entry, "outcome": BEGUN})
            outcome, deleted = "FAILED", 0
            try:
                receipt = await asyncio.to_thread(self._erase, ids, at)
                outcome, deleted = "OK" if receipt.gone else "TRACES_LEFT", len(receipt.erased)
            except (LockedError, ChangedError) as error:
                _log.info("old images are not erased yet: %s", error)
                return False
            finally:
                done = {"outcome": outcome, "deleted": deleted, "begun": begun}
                await self._audit.append({"at": now(), **entry, **done})
            if not receipt.gone:
                raise GalleryError(f"traces of erased images remain; see {self._folder}")
            self._metrics.retained.inc(deleted)
            _log.info("erased %d images older than the retention period", deleted)
        self._metrics.retention_completed.set(self._clock())
        return True

    def _expired(self, at: datetime) -> Sequence[str]:
        return expired(self._gallery, self._keep, (), at).ids

    def _erase(self, ids: Sequence[str], at: datetime) -> Receipt:
        receipt = erase_from_open(self._gallery, ids, lambda: self._expired(at))
        make_folder(self._folder)
        name = at.strftime("%Y%m%dT%H%M%S%fZ.json")
        write_receipt(receipt, self._folder / name)
        return receipt


def beside(gallery: Path) -> Path:
    """The default folder of a gallery's receipts.

    >>> beside(Path("data/people")).as_posix()
    'data/people.receipts'
    """
    return gallery.with_name(f"{gallery.name}.receipts")
