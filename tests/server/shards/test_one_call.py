"""When a call of a shard is made again, and when it is not.

Responses stand for those of Ray Serve, whose real ones tests/ray meets.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RaySystemError
from ray.serve.handle import DeploymentResponse

from partlens.indexer.errors import DamagedError, ShardError, SupersededError
from partlens.server.shards.one_call import OneCall
from partlens.server.shards.refusals import Refusal

DEAD, AWAY = ActorDiedError(), ActorUnavailableError("10.0.0.7", None)
BROKEN = RaySystemError("10.0.0.7")  # type: ignore[no-untyped-call]
SILENT = object()
FOUND = "what a shard found"


class Response:
    """Ends with a value or an error, or never."""

    def __init__(self, ends: object) -> None:
        self.ends, self.cancelled = ends, False

    def result(self, *, timeout_s: float) -> object:
        if self.ends is SILENT:
            time.sleep(timeout_s)
            raise TimeoutError
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends

    def cancel(self) -> None:
        self.cancelled = True


class Shard:
    """Gives one response after another, and remembers them."""

    def __init__(self, *ends: object) -> None:
        self._ends: Iterator[object] = iter(ends)
        self.made = list[Response]()

    def __call__(self, seconds: float) -> DeploymentResponse[Any]:
        assert seconds >= 0
        self.made.append(Response(next(self._ends)))
        return cast("DeploymentResponse[Any]", self.made[-1])


def call(shard: Shard, seconds: float = 30.0, late: float = 30.0, others: int = 0) -> OneCall[str]:
    return OneCall(3, shard, time.monotonic() + seconds, late, others)


@pytest.mark.parametrize("deaths", [[], [DEAD], [AWAY], [DEAD, DEAD]])
def test_a_death_costs_no_answer(deaths: Sequence[Exception]) -> None:
    shard = Shard(*deaths, FOUND)
    made = call(shard)
    assert made.result() == FOUND
    assert made.retries == len(deaths) == len(shard.made) - 1


def test_a_shard_whose_replicas_keep_dying_cannot_answer() -> None:
    with pytest.raises(ShardError, match="shard 3") as caught:
        call(Shard(DEAD, DEAD, DEAD)).result()
    assert "10.0.0.7" not in str(caught.value)


@pytest.mark.parametrize(
    ("ends", "kind"),
    [
        (BROKEN, ShardError),
        (Refusal("DamagedError", "a segment"), DamagedError),
        (Refusal("SupersededError", "commit 4"), SupersededError),
        (Refusal("KeyError", "a bug"), ShardError),
        (Refusal("", "a bug"), ShardError),
    ],
)
def test_no_other_error_is_tried_again(ends: object, kind: type[Exception]) -> None:
    shard = Shard(ends, FOUND)
    with pytest.raises(kind) as caught:
        call(shard).result()
    assert type(caught.value) is kind and len(shard.made) == 1
    assert "10.0.0.7" not in str(caught.value)


def test_another_replica_is_asked_when_one_is_late() -> None:
    shard = Shard(SILENT, FOUND)
    made = call(shard, late=0.05)
    assert made.result() == FOUND and made.retries == 1
    made.cancel()
    assert [one.cancelled for one in shard.made] == [True, False]


def test_a_late_replica_is_waited_for_while_the_other_one_dies() -> None:
    shard = Shard(SILENT, DEAD)
    made = call(shard, late=0.05)

    def answers() -> None:
        if len(shard.made) == 2:
            shard.made[0].ends = FOUND

    assert made.result(answers) == FOUND


def test_a_call_ends_with_its_deadline() -> None:
    shard = Shard(SILENT, SILENT)
    with pytest.raises(ShardError, match="in time"):
        call(shard, seconds=0.2, late=0.05).result()
    assert len(shard.made) == 2


def test_a_call_ends_when_its_caller_is_gone() -> None:
    def gone() -> None:
        raise ConnectionError("gone")

    shard = Shard(SILENT)
    made = call(shard)
    with pytest.raises(ConnectionError):
        made.result(gone)
    made.cancel()
    assert shard.made[0].cancelled


@pytest.mark.parametrize("others", [0, 1, 3])
def test_replicas_are_asked_until_one_has_the_layout(others: int) -> None:
    gone = Refusal("SupersededError", "no such layout")
    shard = Shard(*[gone] * others, FOUND)
    assert call(shard, others=others).result() == FOUND
    shard = Shard(*[gone] * (others + 1), FOUND)
    with pytest.raises(SupersededError):
        call(shard, others=others).result()


def test_a_shard_that_cannot_be_asked_says_so_without_addresses() -> None:
    def refuses(seconds: float) -> DeploymentResponse[Any]:
        raise BROKEN

    ask: Callable[[float], DeploymentResponse[Any]] = refuses
    with pytest.raises(ShardError) as caught:
        OneCall(0, ask, time.monotonic() + 1, 1)
    assert "10.0.0.7" not in str(caught.value)
