"""Reports damage of the gallery to operators: in metrics, the log and a health service."""

import logging
import time
from collections.abc import Callable

from partlens.indexer.gallery.findings import KINDS, Finding
from partlens.indexer.gallery.scrub_record import Pass
from partlens.server.observe.metrics import GalleryFigures

_log = logging.getLogger(__name__)
_LINES, _SECONDS = 20, 600.0
"""Most log lines about single files within this many seconds."""


class ScrubReport:
    """Reports a Scrubber's events to operators; see scrubbing.ScrubEvents.

    Args:
        tell_sound: called with True if no damage is known, at start and on changes; from any
            thread.
    """

    def __init__(self, metrics: GalleryFigures, tell_sound: Callable[[bool], None]) -> None:
        self._metrics, self._tell_sound = metrics, tell_sound
        self._known = dict[str, Finding]()
        self._lines = list[float]()
        tell_sound(True)

    def read(self, count: int) -> None:
        """`count` bytes were read."""
        self._metrics.scrubbed_bytes.inc(count)

    def found(self, finding: Finding) -> None:
        """New damage was found."""
        self._known[finding.place] = finding
        self._show()
        self._say(logging.ERROR, f"damaged: {finding}", finding)

    def cleared(self, finding: Finding, *, mended: bool) -> None:
        """Damage is gone."""
        self._known.pop(finding.place, None)
        self._show()
        if mended:
            self._metrics.mended_files(finding.kind).inc()
        what = "rebuilt from the truth" if mended else "no longer damaged"
        self._say(logging.WARNING, f"{what}: {finding.place}", finding)

    def passed(self, done: Pass) -> None:
        """All files have been read once."""
        self._metrics.scrub_completed.set(done.ended or 0)
        _log.log(
            logging.ERROR if self._known else logging.INFO,
            "read all %d files of the gallery, %d are damaged",
            done.files,
            len(self._known),
            extra={"files": done.files, "bytes": done.bytes, "damaged": len(self._known)},
        )

    def earlier(self, last: Pass | None) -> None:
        """Records a full read from before this server started."""
        self._metrics.scrub_completed.set((last and last.ended) or 0)

    def _show(self) -> None:
        for kind in KINDS:
            count = sum(finding.kind == kind for finding in self._known.values())
            self._metrics.damaged_files(kind).set(count)
        self._tell_sound(not self._known)

    def _say(self, level: int, text: str, finding: Finding) -> None:
        now = time.monotonic()
        self._lines = [at for at in self._lines if at > now - _SECONDS]
        if len(self._lines) < _LINES:
            self._lines.append(now)
            _log.log(
                level,
                "%s",
                text,
                extra={
                    "file": finding.place,
                    "problem": finding.problem,
                    "repairable": finding.repairable,
                },
            )
