"""One call of one shard, made again where a replica dies or is late."""

import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ray.exceptions import (
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
from ray.serve.handle import DeploymentResponse

from partlens.common.waiting import RequireWaiting, wait_always
from partlens.indexer.errors import ShardError, SupersededError
from partlens.server.shards.refusals import Refusal, error_of

_log = logging.getLogger(__name__)
T = TypeVar("T")
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


class OneCall(Generic[T]):
    """A call of a shard, in progress.

    Args:
        shard: its number.
        ask: makes the call, given the seconds that its caller waits.
        end: when its caller stops waiting, of time.monotonic.
        late_seconds: time after which another replica is asked too.
        others: how many more replicas to ask for one that has the layout of the first page; each
            has layouts of its own, and Serve chooses one.

    Attributes:
        retries: how often the call was made again since a replica died or was late.

    Raises:
        ShardError: the shard cannot be asked.
    """

    def __init__(
        self,
        shard: int,
        ask: Callable[[float], DeploymentResponse[T | Refusal]],
        end: float,
        late_seconds: float,
        others: int = 0,
    ) -> None:
        self.shard, self.retries, self.begun = shard, 0, time.monotonic()
        self._make, self._end, self._others = ask, end, others
        self._late = self.begun + late_seconds
        self._open = [self._ask()]

    def result(self, require_waiting: RequireWaiting = wait_always) -> T:
        """What the shard answers.

        Raises:
            ShardError: it cannot answer, or not in time.
            Exception: what require_waiting raises, or what the shard raised.
        """
        while True:
            for response in list(self._open):
                require_waiting()
                try:
                    answer = response.result(timeout_s=self._look_seconds())
                except TimeoutError:
                    continue
                except _DEATHS as error:
                    self._open.remove(response)
                    self._retry(error)
                    continue
                except (RayError, RayServeException) as error:
                    raise self._failed(error) from None
                self._open.remove(response)
                if not isinstance(answer, Refusal):
                    return answer
                self._ask_other(error_of(answer, self.shard))
            self._ask_too()

    def cancel(self) -> None:
        """Tell the replicas that nobody waits for their answers."""
        for response in self._open:
            response.cancel()  # type: ignore[no-untyped-call]

    def _look_seconds(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise ShardError(f"shard {self.shard} did not answer in time")
        return min(left, _LOOK_SECONDS / len(self._open))

    def _retry(self, error: Exception) -> None:
        if self._open:
            return  # another replica is asked already
        if self.retries >= _RETRIES:
            raise self._failed(error)
        _log.warning("shard %s: a replica died (%s); asking again", self.shard, _kind(error))
        self.retries += 1
        self._open.append(self._ask())

    def _ask_other(self, error: Exception) -> None:
        if self._open:
            return
        if not isinstance(error, SupersededError) or self._others <= 0:
            raise error
        self._others -= 1
        self._open.append(self._ask())

    def _ask_too(self) -> None:
        """Ask another replica too if the first one is late: it may hang, or its node be cut off."""
        if self.retries or time.monotonic() < self._late:
            return
        _log.warning("shard %s: no answer yet; asking another replica too", self.shard)
        self.retries += 1
        self._open.append(self._ask())

    def _ask(self) -> DeploymentResponse[T | Refusal]:
        try:
            return self._make(max(0.0, self._end - time.monotonic()))
        except (RayError, RayServeException) as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> ShardError:
        # What Ray says names addresses and paths of its machines: for the log only.
        _log.error("shard %s cannot answer: %s: %s", self.shard, _kind(error), error)
        return ShardError(f"shard {self.shard} cannot answer now")


def _kind(error: Exception) -> str:
    return type(error).__name__
