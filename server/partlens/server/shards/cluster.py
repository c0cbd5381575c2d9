"""The Ray cluster of a server's shards: joined, or started on this machine."""

import logging
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from partlens.common.bucket_address import Place
from partlens.common.installing import pip_install
from partlens.runtime.config.sections import ShardsSection
from partlens.runtime.errors import SettingsError
from partlens.server.shards.authentication import require_token_asked, require_token_set

if TYPE_CHECKING:
    from partlens.server.shards.asking import RayShards
    from partlens.server.shards.upkeep import Upkeep

_log = logging.getLogger(__name__)
_NAMESPACE = "partlens"
_STORE_BYTES = 200 * 2**20
"""Of the object store of a cluster on this machine; answers of shards pass through it."""


class ShardCluster:
    """Serves shards of galleries on a Ray cluster, and ends what it has started.

    Args:
        settings: of the shards.
        seconds_left: see RayShards.

    Raises:
        SettingsError: Ray is not installed, or this process has no token for the cluster.
    """

    def __init__(self, settings: ShardsSection, seconds_left: Callable[[], float | None]) -> None:
        _require_ray()
        self._settings, self._seconds_left = settings, seconds_left
        self._own: Path | None = None
        self._upkeep: Upkeep | None = None
        self._joined, self._closing = False, threading.Event()
        # Ray hangs when it is shut down after the thread that it was started on has ended.
        self._thread = ThreadPoolExecutor(1, "partlens-ray")
        if settings.address is not None:
            require_token_set(settings)

    def shards_of(self, name: str, gallery: Place) -> "RayShards":
        """The shards of a gallery, loaded; started unless another server has started them.

        Args:
            name: of the gallery, for the names of the applications.
            gallery: where it is, the same for every node.

        Raises:
            ShardError: they cannot be loaded, or not in time, or the server is stopping.
            SettingsError: the cluster cannot be reached, or answers anyone.
        """
        self._thread.submit(self._join).result()
        from ray import serve

        from partlens.server.shards.applications import Applications
        from partlens.server.shards.asking import RayShards
        from partlens.server.shards.upkeep import Upkeep

        settings = self._settings
        place = gallery.resolve() if isinstance(gallery, Path) else gallery
        applications = Applications(settings, name, place, self._closing)
        applications.start()
        handles = [serve.get_app_handle(app) for app in applications.wanted]
        _log.info("gallery %s: %s shards: %s", name, len(handles), ", ".join(applications.wanted))
        shards = RayShards(handles, settings.seconds, settings.late_seconds, self._seconds_left)
        if self._upkeep is None:
            self._upkeep = Upkeep(settings.unused_seconds, self._closing)
        self._upkeep.keep(applications, shards)
        return shards

    def stop_waiting(self) -> None:
        """End shards_of early, from another thread."""
        self._closing.set()

    def close(self) -> None:
        """Leave the cluster, or end it if it was started here."""
        self._closing.set()
        if self._upkeep is not None:
            self._upkeep.join()
        self._thread.submit(self._leave).result()
        self._thread.shutdown()

    def _leave(self) -> None:
        if self._joined:
            import ray

            ray.shutdown()
            self._joined = False
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self._own = None

    def _join(self) -> None:
        if self._joined:
            return
        if self._settings.address is None:
            self._start_here()
        else:
            self._connect(self._settings.address)
        self._joined = True
        from ray import serve

        _quiet("ray.serve")
        # No proxies: callers come through this server only.
        serve.start(proxy_location="Disabled")

    def _connect(self, address: str) -> None:
        import ray
        from ray.exceptions import RayError

        _quiet("ray")
        try:
            ray.init(
                address=address,
                namespace=_NAMESPACE,
                log_to_driver=False,
                configure_logging=False,
            )
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            raise SettingsError(
                f"shards.address = {address}: the Ray cluster cannot be joined: {error}"
            ) from error
        try:
            require_token_asked(ray.get_runtime_context().gcs_address, self._settings)
        except SettingsError:
            ray.shutdown()
            raise

    def _start_here(self) -> None:
        # Before ray is imported, which reads them.
        if "RAY_AUTH_MODE" not in os.environ:
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        _quiet("ray")
        # Short, as sockets lie in it, whose paths may have 107 bytes.
        self._own = Path(tempfile.mkdtemp(prefix="plr-"))
        needed = self._settings.count * (self._settings.replicas or 1) * self._settings.cpus
        ray.init(
            num_cpus=max(os.cpu_count() or 1, int(needed) + 1),
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            namespace=_NAMESPACE,
            log_to_driver=False,
            configure_logging=False,
            _temp_dir=str(self._own),
        )


def _quiet(logger: str) -> None:
    """Keep what Ray says of its own steps out of the server's log; its errors are raised."""
    logging.getLogger(logger).setLevel(logging.ERROR)


def _require_ray() -> None:
    from importlib.util import find_spec

    if find_spec("ray") is None:
        raise SettingsError(
            f"shards.kind = ray needs Ray, which is not installed: {pip_install('ray')}"
        )
