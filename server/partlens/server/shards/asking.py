"""Asks all shards of a gallery at once."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from ray.serve.handle import DeploymentHandle, DeploymentResponse

from partlens.common.waiting import RequireWaiting
from partlens.indexer.errors import ShardError, SupersededError
from partlens.indexer.gallery.fan_out import Layouts, Question, ShardFigures, ShardHits
from partlens.server.shards.one_call import OneCall

Handle = DeploymentHandle[Any]
_OTHERS = 8
_TROUBLE_SECONDS = 2.0


class RayShards:
    """Shards as Serve deployments; implements fan_out.Shards.

    Attributes:
        count: how many there are.

    Args:
        handles: of the shards, in order.
        seconds: longest time that a search waits.
        late_seconds: time after which another replica is asked too.
        seconds_left: gives the time that the call in progress has left; None if it has no end.
    """

    def __init__(
        self,
        handles: Sequence[Handle],
        seconds: float,
        late_seconds: float,
        seconds_left: Callable[[], float | None],
    ) -> None:
        self.count = len(handles)
        self._handles, self._seconds, self._late = handles, seconds, late_seconds
        self._seconds_left = seconds_left
        self._figures: ShardFigures | None = None

    def report_to(self, figures: ShardFigures) -> None:
        """See fan_out.Shards.report_to."""
        self._figures = figures

    def trouble(self) -> str | None:
        """See fan_out.Shards.trouble."""
        end, silent = time.monotonic() + _TROUBLE_SECONDS, list[str]()
        for shard, handle in enumerate(self._handles):
            try:
                OneCall[int](shard, _to(handle, "commit"), end, _TROUBLE_SECONDS).result()
            except ShardError:
                silent.append(str(shard))
        if not silent:
            return None
        return f"of {self.count} shards, {', '.join(silent)} cannot answer"

    def search(
        self,
        number: int,
        question: Question,
        require_waiting: RequireWaiting,
        earlier: Layouts = (),
        *,
        partial: bool = False,
    ) -> Mapping[int, ShardHits]:
        """See fan_out.Shards.search."""
        if earlier and len(earlier) != self.count:
            raise SupersededError("the gallery has another number of shards than before")
        answers, failed = dict[int, ShardHits](), dict[int, ShardError]()
        with self._asked(number, question, earlier or [""] * self.count) as calls:
            for shard, call in calls.items():
                try:
                    answers[shard] = call.result(require_waiting)
                    self._answered(call)
                except ShardError as error:
                    if not partial:
                        raise
                    failed[shard] = error
        if not answers:
            raise next(iter(failed.values()), ShardError("no shard was asked"))
        return answers

    @contextmanager
    def _asked(
        self, number: int, question: Question, layouts: Layouts
    ) -> Iterator[Mapping[int, OneCall[ShardHits]]]:
        """The calls of all shards that are to answer; what is left of them ends with the block."""
        left, calls = self._seconds_left(), dict[int, OneCall[ShardHits]]()
        end = time.monotonic() + (self._seconds if left is None else min(left, self._seconds))
        try:
            for shard, layout in enumerate(layouts):
                if layout is not None:
                    ask = _to(self._handles[shard], "search", number, question, layout)
                    calls[shard] = OneCall(shard, ask, end, self._late, _OTHERS if layout else 0)
            yield calls
        finally:
            for call in calls.values():
                call.cancel()

    def _answered(self, call: OneCall[ShardHits]) -> None:
        if self._figures is not None:
            self._figures.answered(call.shard, time.monotonic() - call.begun, call.retries)


def _to(handle: Handle, method: str, *asked: object) -> Callable[[float], DeploymentResponse[Any]]:
    """Calls a method of a replica, given the seconds that the caller waits."""
    bound = getattr(handle, method)
    return lambda seconds: cast("DeploymentResponse[Any]", bound.remote(*asked, seconds))
