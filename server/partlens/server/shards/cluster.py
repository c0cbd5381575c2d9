"""The Ray cluster of a server's shards: joined, or started on this machine."""

import hashlib
import json
import logging
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partlens.common.bucket_address import Place
from partlens.common.installing import pip_install
from partlens.indexer.errors import ShardError
from partlens.indexer.gallery.share import Share
from partlens.runtime.config.sections import ShardsSection
from partlens.runtime.errors import SettingsError

if TYPE_CHECKING:
    from partlens.server.shards.asking import RayShards
    from partlens.server.shards.replica import ShardToServe

_log = logging.getLogger(__name__)
_NAMESPACE = "partlens"
_STORE_BYTES = 200 * 2**20
"""Of the object store of a cluster on this machine; answers of shards pass through it."""
_HEALTH_SECONDS, _HEALTH_TIMEOUT_SECONDS = 2.0, 10.0
_ENDING_SECONDS = 20.0
"""How long a replica that is replaced may finish its searches."""
_WAITING = 8
"""Searches for each worker of a replica that may wait there."""
_LOOK_SECONDS = 0.2


class ShardCluster:
    """Serves shards of galleries on a Ray cluster, and ends what it has started.

    Args:
        settings: of the shards.
        seconds_left: see RayShards.

    Raises:
        SettingsError: Ray is not installed, or the cluster has no authentication.
    """

    def __init__(self, settings: ShardsSection, seconds_left: Callable[[], float | None]) -> None:
        _require_ray()
        self._settings, self._seconds_left = settings, seconds_left
        self._own: Path | None = None
        self._joined, self._closing = False, threading.Event()
        # Ray hangs when it is shut down after the thread that it was started on has ended.
        self._thread = ThreadPoolExecutor(1, "partlens-ray")
        if settings.address is not None:
            _require_token(settings)

    def shards_of(self, name: str, gallery: Place) -> "RayShards":
        """The shards of a gallery, loaded; started unless another server has started them.

        Args:
            name: of the gallery, for the names of the applications.
            gallery: where it is, the same for every node.

        Raises:
            ShardError: they cannot be loaded, or not in time, or the server is stopping.
            SettingsError: the cluster cannot be reached.
        """
        self._thread.submit(self._join).result()
        from ray import serve
        from ray.serve.schema import ApplicationStatus

        from partlens.server.shards.asking import RayShards

        wanted = self._applications(
            name, gallery.resolve() if isinstance(gallery, Path) else gallery
        )
        # What failed to load for an earlier server, or is about to be removed, is started again.
        of_no_use = (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.DELETING)
        known = serve.status().applications.items()
        there = {app for app, one in known if one.status not in of_no_use}
        replicas = self._replicas()
        new = {app: served for app, served in wanted.items() if app not in there}
        for app, served in new.items():
            self._start(app, served, replicas)
        self._wait_for(list(wanted))
        handles = [serve.get_app_handle(app) for app in wanted]
        _log.info(
            "gallery %s: %s shards with %s replicas each: %s",
            *(name, len(handles), replicas, ", ".join(wanted)),
        )
        settings = self._settings
        return RayShards(handles, settings.seconds, settings.late_seconds, self._seconds_left)

    def stop_waiting(self) -> None:
        """End shards_of early, from another thread."""
        self._closing.set()

    def close(self) -> None:
        """Leave the cluster, or end it if it was started here."""
        self._closing.set()
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

    def _replicas(self) -> int:
        return self._settings.replicas or (2 if _nodes() > 1 else 1)

    def _applications(self, name: str, gallery: Place) -> "dict[str, ShardToServe]":
        """What to serve under which name; other shares or another gallery have other names."""
        from partlens.server.shards.replica import ShardToServe

        settings, found = self._settings, dict[str, ShardToServe]()
        same = [str(gallery), settings.count, settings.block_rows, str(settings.folder)]
        generation = hashlib.sha256(json.dumps(same).encode()).hexdigest()[:8]
        for number in range(settings.count):
            app = "-".join(filter(None, (settings.name, name, generation, str(number))))
            found[app] = ShardToServe(
                gallery,
                Share(number, settings.count, settings.block_rows),
                settings.folder,
                settings.workers,
                settings.poll_seconds,
            )
        return found

    def _start(self, app: str, served: "ShardToServe", replicas: int) -> None:
        from ray import serve
        from ray.serve import RunTarget

        from partlens.server.shards.replica import ShardReplica

        settings, apart = self._settings, dict[str, Any]()
        if _nodes() >= replicas > 1:
            apart["max_replicas_per_node"] = 1
        elif replicas > 1:
            _log.warning(
                "the cluster has %s nodes, so replicas of a shard share a node, and are lost"
                " together",
                _nodes(),
            )
        deployment = serve.deployment(
            name="shard",
            num_replicas=replicas,
            **apart,
            max_ongoing_requests=settings.workers * _WAITING,
            ray_actor_options={"num_cpus": settings.cpus},
            health_check_period_s=_HEALTH_SECONDS,
            health_check_timeout_s=_HEALTH_TIMEOUT_SECONDS,
            graceful_shutdown_wait_loop_s=0.1,
            graceful_shutdown_timeout_s=_ENDING_SECONDS,
            max_constructor_retry_count=3,
        )(ShardReplica)
        serve.run_many(
            [RunTarget(deployment.bind(served), name=app, route_prefix=None)],
            wait_for_applications_running=False,
        )

    def _wait_for(self, apps: Sequence[str]) -> None:
        from ray import serve
        from ray.serve.schema import ApplicationStatus

        end = time.monotonic() + self._settings.load_seconds
        while True:
            there = serve.status().applications
            status = {app: there[app].status if app in there else None for app in apps}
            if all(one == ApplicationStatus.RUNNING for one in status.values()):
                return
            for app, one in status.items():
                if one == ApplicationStatus.DEPLOY_FAILED:
                    _log.error("application %s: %s", app, there[app].message)
                    raise ShardError(f"{app} cannot be loaded; its log on the cluster says why")
            if time.monotonic() > end:
                raise ShardError(
                    f"the shards were not loaded within {self._settings.load_seconds:g} s"
                    " (shards.load_seconds); see `ray status` for whether the cluster has room"
                )
            if self._closing.wait(_LOOK_SECONDS):
                raise ShardError("the server is stopping")


def _quiet(logger: str) -> None:
    """Keep what Ray says of its own steps out of the server's log; its errors are raised."""
    logging.getLogger(logger).setLevel(logging.ERROR)


def _nodes() -> int:
    """Nodes of the cluster that are alive."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return sum(bool(node["Alive"]) for node in nodes)


def _require_ray() -> None:
    from importlib.util import find_spec

    if find_spec("ray") is None:
        raise SettingsError(
            f"shards.kind = ray needs Ray, which is not installed: {pip_install('ray')}"
        )


def _require_token(settings: ShardsSection) -> None:
    """Refuse a cluster of other machines without Ray's own token, unless the settings allow it."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "token" or settings.unauthenticated:
        return
    raise SettingsError(
        "a Ray cluster without authentication runs any program that anyone on its network sends:"
        " set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the file of its token, for this"
        " server and on every node; or, on a network that only the cluster is on,"
        " shards.unauthenticated"
    )
