"""Asks the replicas of all shards at once, and once more where one dies."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

from ray.exceptions import (
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    RayActorError,
    RayError,
    WorkerCrashedError,
)
from ray.serve.exceptions import (
    RayServeException,
    ReplicaUnavailableError,
    RequestCancelledError,
)
from ray.serve.handle import DeploymentHandle, DeploymentResponse

from partlens.common.waiting import RequireWaiting
from partlens.indexer.errors import ShardError
from partlens.indexer.gallery.fan_out import Question, ShardHits
from partlens.server.shards.refusals import Refusal, error_of

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.05
"""How often a waiting search looks whether its caller is still there."""
_RETRIES = 2
"""The replica that a retry reaches may be about to end too, as while a node is drained."""
_DEATHS = (
    RayActorError,
    NodeDiedError,
    ObjectLostError,
    WorkerCrashedError,
    ReplicaUnavailableError,
    RequestCancelledError,
)
"""How a call ends whose replica died; by itself this says nothing about the search."""


class RayShards:
    """Shards as Serve deployments; implements fan_out.Shards.

    Attributes:
        count: how many there are.

    Args:
        handles: of the shards, in order.
        seconds: longest time that a search waits.
        seconds_left: gives the time that the call in progress has left; None if it has no end.
    """

    def __init__(
        self,
        handles: Sequence[DeploymentHandle[Any]],
        seconds: float,
        seconds_left: Callable[[], float | None],
    ) -> None:
        self.count = len(handles)
        self._handles, self._seconds, self._seconds_left = handles, seconds, seconds_left

    def search(
        self,
        number: int,
        question: Question,
        require_waiting: RequireWaiting,
        without: Collection[int] = (),
        *,
        partial: bool = False,
    ) -> Mapping[int, ShardHits]:
        """See fan_out.Shards.search."""
        left = self._seconds_left()
        end = time.monotonic() + (self._seconds if left is None else min(left, self._seconds))
        calls = [
            _Call(shard, handle, (number, question), end)
            for shard, handle in enumerate(self._handles)
            if shard not in without
        ]
        answers, failed = dict[int, ShardHits](), dict[int, ShardError]()
        try:
            for call in calls:
                try:
                    answers[call.shard] = call.result(require_waiting)
                except ShardError as error:
                    failed[call.shard] = error
                    if not partial:
                        raise
        finally:
            for call in calls:
                if call.shard not in answers:
                    call.cancel()
        if failed and not answers:
            raise next(iter(failed.values()))
        return answers


class _Call:
    """One search of one shard, asked again where a replica dies."""

    def __init__(
        self,
        shard: int,
        handle: DeploymentHandle[Any],
        asked: tuple[int, Question],
        end: float,
    ) -> None:
        self.shard, self._handle, self._asked, self._end = shard, handle, asked, end
        self._retries = 0
        self._response = self._ask()

    def result(self, require_waiting: RequireWaiting) -> ShardHits:
        """What the shard found.

        Raises:
            ShardError: it cannot answer, or not in time.
            Exception: what require_waiting raises, or what the shard raised.
        """
        while True:
            require_waiting()
            left = self._end - time.monotonic()
            if left <= 0:
                raise ShardError(f"shard {self.shard} did not answer in time")
            try:
                answer = self._response.result(timeout_s=min(left, _LOOK_SECONDS))
            except (TimeoutError, GetTimeoutError):
                continue
            except _DEATHS as error:
                if self._retries == _RETRIES:
                    raise self._failed(error) from None
                self._retries += 1
                _log.warning(
                    "shard %s: a replica died (%s), asking again", self.shard, _kind(error)
                )
                self._response = self._ask()
                continue
            except (RayError, RayServeException) as error:
                raise self._failed(error) from None
            if isinstance(answer, Refusal):
                raise error_of(answer, self.shard)
            return answer

    def cancel(self) -> None:
        """Tell the replica that nobody waits for its answer."""
        self._response.cancel()  # type: ignore[no-untyped-call]

    def _ask(self) -> DeploymentResponse[ShardHits | Refusal]:
        seconds = max(0.0, self._end - time.monotonic())
        try:
            found = self._handle.search.remote(*self._asked, seconds)
        except (RayError, RayServeException) as error:
            raise self._failed(error) from None
        return cast("DeploymentResponse[ShardHits | Refusal]", found)

    def _failed(self, error: Exception) -> ShardError:
        # What Ray says names addresses and paths of its machines: for the log only.
        _log.error("shard %s cannot answer: %s: %s", self.shard, _kind(error), error)
        return ShardError(f"shard {self.shard} cannot answer now")


def _kind(error: Exception) -> str:
    return type(error).__name__
