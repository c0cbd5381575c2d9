"""The Serve applications of shards, one a shard, on a cluster that this process has joined."""

import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

from ray import serve
from ray.serve import RunTarget
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview

from partlens.common.bucket_address import Place
from partlens.indexer.errors import ShardError
from partlens.indexer.gallery.share import Share
from partlens.runtime.config.sections import ShardsSection
from partlens.server.shards.nodes import nodes_for
from partlens.server.shards.replica import ShardReplica, ShardToServe

_log = logging.getLogger(__name__)
_HEALTH_SECONDS, _HEALTH_TIMEOUT_SECONDS = 2.0, 10.0
_ENDING_SECONDS = 20.0
"""How long a replica that is replaced may finish its searches."""
_WAITING = 8
"""Searches for each worker of a replica that may wait there."""
_SAY_SECONDS = 30.0
_LOOK_SECONDS = 0.2
_DEPLOYMENT = "shard"
_VERSION = "1"
"""Of the deployment. A new one would restart all replicas whenever their number changes."""
_OF_NO_USE = (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.DELETING)
"""What failed to load for an earlier server, or is about to be removed, is started again."""
_ANSWERING = frozenset({"RUNNING", "PENDING_MIGRATION"})
_LEAVING = frozenset({"STOPPING", "STOPPED"})
"""States of replicas, by Serve's names."""


class Applications:
    """The applications that serve the shards of one gallery.

    Attributes:
        wanted: what to serve under which name. Another gallery, and other shares of the same one,
            have other names.

    Args:
        name: of the gallery.
        gallery: where it is, the same for every node.
        closing: set once the server stops.
    """

    def __init__(
        self, settings: ShardsSection, name: str, gallery: Place, closing: threading.Event
    ) -> None:
        self._settings, self._name, self._closing = settings, name, closing
        of_gallery = "-".join(filter(None, (settings.name, name, _short(str(gallery)))))
        shares = [settings.count, settings.block_rows, str(settings.folder)]
        start = f"{of_gallery}-{_short(json.dumps(shares))}"
        self._of_gallery = re.compile(rf"{re.escape(of_gallery)}-[0-9a-f]{{8}}-[0-9]+")
        self.wanted: Mapping[str, ShardToServe] = {
            f"{start}-{number}": ShardToServe(
                gallery,
                Share(number, settings.count, settings.block_rows),
                settings.folder,
                settings.workers,
                settings.poll_seconds,
            )
            for number in range(settings.count)
        }

    def start(self) -> None:
        """Have them loaded, unless another server has started them, and wait until they are.

        Raises:
            ShardError: they cannot be loaded, or not in time, or the server is stopping.
        """
        there = serve.status().applications
        for app in self.wanted:
            if app not in there or there[app].status in _OF_NO_USE:
                self._deploy(app)
            elif self._settings.replicas not in (None, _replicas_of(there[app])):
                self._deploy(app)
        self._wait()

    def grow(self) -> None:
        """Start the second replicas once the cluster has the nodes for them."""
        there = serve.status().applications
        for app in self.wanted:
            if app in there and 0 < _replicas_of(there[app]) < self._replicas():
                _log.info("application %s gets %s replicas", app, self._replicas())
                self._deploy(app)

    def others(self) -> Collection[str]:
        """Names of the applications of the same gallery with other shares."""
        there = serve.status().applications
        return [
            app
            for app, one in there.items()
            if app not in self.wanted
            and self._of_gallery.fullmatch(app)
            and one.status != ApplicationStatus.DELETING
        ]

    def _replicas(self) -> int:
        return self._settings.replicas or (2 if nodes_for(self._settings.cpus) > 1 else 1)

    def _deploy(self, app: str) -> None:
        settings, apart = self._settings, dict[str, Any]()
        replicas, nodes = self._replicas(), nodes_for(settings.cpus)
        if settings.replicas is None or nodes >= replicas:
            apart["max_replicas_per_node"] = 1
        else:
            _log.warning(
                "the cluster has %s nodes with room for a shard, so replicas of a shard share a"
                " node, and are lost together",
                nodes,
            )
        deployment = serve.deployment(
            name=_DEPLOYMENT,
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
        deployment._version = _VERSION
        serve.run_many(
            [RunTarget(deployment.bind(self.wanted[app]), name=app, route_prefix=None)],
            wait_for_applications_running=False,
        )

    def _wait(self) -> None:
        """Until each of them can be asked; the second replicas may come later."""
        end = time.monotonic() + self._settings.load_seconds
        say_at = time.monotonic() + _SAY_SECONDS
        while True:
            there = serve.status().applications
            missing = [app for app in self.wanted if app not in there or not _answering(there[app])]
            if not missing:
                return
            if time.monotonic() > say_at:
                say_at = time.monotonic() + _SAY_SECONDS
                _log.info(
                    "waiting for %s of %s shards, each of which needs %g free CPUs of the cluster"
                    " (shards.cpus): %s",
                    *(len(missing), len(self.wanted), self._settings.cpus, ", ".join(missing)),
                )
            for app in self.wanted:
                if app not in there:
                    self._deploy(app)  # another server has removed it since
                elif there[app].status == ApplicationStatus.DEPLOY_FAILED:
                    _log.error("application %s: %s", app, there[app].message)
                    raise ShardError(f"{app} cannot be loaded; its log on the cluster says why")
            if time.monotonic() > end:
                raise ShardError(
                    f"the shards were not loaded within {self._settings.load_seconds:g} s"
                    " (shards.load_seconds); see `ray status` for whether the cluster has room"
                )
            if self._closing.wait(_LOOK_SECONDS):
                raise ShardError("the server is stopping")


def _answering(app: ApplicationStatusOverview) -> int:
    """How many replicas can be asked."""
    return sum(count for state, count in _states(app).items() if state in _ANSWERING)


def _replicas_of(app: ApplicationStatusOverview) -> int:
    """How many replicas there are or will be; more while some of them move."""
    return sum(count for state, count in _states(app).items() if state not in _LEAVING)


def _states(app: ApplicationStatusOverview) -> Mapping[str, int]:
    """How many replicas are in which state."""
    deployment = app.deployments.get(_DEPLOYMENT)
    states = deployment.replica_states if deployment else {}
    return {state: count for state, count in states.items()}


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
