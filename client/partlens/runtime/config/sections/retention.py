"""Settings for erasing old images."""

from pathlib import Path

from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.values import Rate, RetentionPeriod


class RetentionSection(Section):
    """Erasing old images while the server runs. Off unless `keep` is set."""

    keep: RetentionPeriod | None = None
    """how long to keep an image after its captured_at, such as 12h, 30d or 8w; images without one
    are never erased; none: erase nothing. A gallery of server.galleries may have its own `keep`"""
    every_hours: Rate = 24.0
    """time between two erasures; the first is when the server starts"""
    delete_standing: bool = False
    """delete the standing queries that are made from an erased image; otherwise the log and the
    receipt list them"""
    receipts: Path | None = None
    """folder of the receipts, with a folder in it for each named gallery; by default
    GALLERY.receipts, next to the gallery"""
