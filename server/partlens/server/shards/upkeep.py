"""Keeps the shards of galleries as the cluster changes, and removes those that nobody uses."""

import logging
import threading
import time
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from partlens.server.shards.applications import Applications
from partlens.server.shards.asking import RayShards

_log = logging.getLogger(__name__)
_LOOK_SECONDS, _ANSWER_SECONDS = 5.0, 2.0
_END_SECONDS = 10.0


class Upkeep:
    """A thread that looks after the applications of this server's galleries.

    It asks its own shards all the time, so that no other server takes them for unused. Shards of
    the same gallery with another number (or other settings) are removed once they say that nobody
    has asked them for a while.

    Args:
        unused_seconds: how long shards of another number stay that nobody asks.
        closing: set once the server stops.
    """

    def __init__(self, unused_seconds: float, closing: threading.Event) -> None:
        self._unused, self._closing = unused_seconds, closing
        self._kept = list[tuple[Applications, RayShards]]()
        self._last_used = dict[str, float]()
        self._handles = dict[str, DeploymentHandle[Any]]()
        self._thread = threading.Thread(target=self._follow, name="partlens-shards", daemon=True)

    def keep(self, applications: Applications, shards: RayShards) -> None:
        """Look after these from now on."""
        self._kept = [*self._kept, (applications, shards)]
        if not self._thread.ident:
            self._thread.start()

    def join(self) -> None:
        """Wait until it has ended, but not for a cluster that is gone; `closing` must be set."""
        if self._thread.ident:
            self._thread.join(_END_SECONDS)

    def _follow(self) -> None:
        said = ""
        while not self._closing.wait(_LOOK_SECONDS):
            try:
                for applications, shards in self._kept:
                    shards.trouble()
                    applications.grow()
                    self._remove_unused(applications)
                said = ""
            except Exception as error:
                # The head may be gone for a while; searches do not need it.
                if said != str(error):
                    _log.exception("the shards' cluster cannot be looked after")
                    said = str(error)

    def _remove_unused(self, applications: Applications) -> None:
        for app in applications.others():
            now = time.monotonic()
            used = now - self._seconds_unused(app)
            # One replica answers each time, so the latest use that any of them has seen counts.
            last = self._last_used[app] = max(used, self._last_used.get(app, now))
            if now - last > self._unused:
                _log.info("application %s: nobody has used it for %g s; removed", app, now - last)
                serve.delete(app, _blocking=False)
                del self._last_used[app]
                self._handles.pop(app, None)

    def _seconds_unused(self, app: str) -> float:
        """For how long nobody has asked a replica; 0 if that is not known."""
        try:
            if app not in self._handles:
                self._handles[app] = serve.get_app_handle(app)
            asked = self._handles[app].seconds_unused.remote()
            return float(asked.result(timeout_s=_ANSWER_SECONDS))
        except (RayError, RayServeException, TimeoutError):
            return 0.0
