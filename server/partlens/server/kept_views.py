"""Views of the gallery that later pages of a search go on from."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from partlens.indexer.gallery.view import GalleryView

KEPT, SECONDS = 8, 120.0
"""How many at most, and for how long after the last page. What was deleted is out of all pages at
once; the files that hold it are let go of when the view is."""


class KeptViews:
    """By version; safe to use from threads.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._views: OrderedDict[int, tuple[float, GalleryView]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, view: GalleryView) -> None:
        """Keep a view for another while: its last page is not the last."""
        with self._lock:
            self._forget()
            number = view.number
            self._views.pop(number, None)
            self._views[number] = self._clock() + SECONDS, view
            while len(self._views) > KEPT:
                self._views.popitem(last=False)

    def of(self, version: int) -> GalleryView | None:
        """The view of a version; None where it is kept no more."""
        with self._lock:
            self._forget()
            _, view = self._views.get(version, (0.0, None))
            return view

    def _forget(self) -> None:
        now = self._clock()
        for version in [version for version, (end, _) in self._views.items() if end <= now]:
            del self._views[version]
