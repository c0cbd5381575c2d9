"""Views of a shard by a name of their own, for later pages of a search."""

import secrets
import threading
from collections import OrderedDict

from partlens.indexer.errors import SupersededError
from partlens.indexer.gallery.view import GalleryView

_KEPT = 8
"""As many as a server keeps; see KeptViews."""


class KeptLayouts:
    """Views by a name of their own, for later pages of a search; thread-safe."""

    def __init__(self) -> None:
        self._views, self._lock = OrderedDict[str, GalleryView](), threading.Lock()

    def name(self, view: GalleryView) -> str:
        """The name of a view, which is kept for a while."""
        with self._lock:
            known = (name for name, one in self._views.items() if one is view)
            name = next(known, None) or secrets.token_hex(4)
            self._views[name] = view
            self._views.move_to_end(name)
            while len(self._views) > _KEPT:
                self._views.popitem(last=False)
            return name

    def of(self, name: str) -> GalleryView:
        """The view of this name; SupersededError if it is no longer kept here."""
        with self._lock:
            if name not in self._views:
                raise SupersededError("the shard no longer keeps the layout of the first page")
            return self._views[name]

    def clear(self) -> None:
        """Let go of all views."""
        with self._lock:
            self._views.clear()
