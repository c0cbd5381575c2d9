"""The file of measured times that `partlens bench shares` writes."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from partlens.server.bench.fanout.service_times import ServiceTimes

T = TypeVar("T")
_LARGEST_BYTES = 64 * 2**20
_BUNDLED = "measured.json"


class MeasuredError(ValueError):
    """A file of measured times cannot be used."""


@dataclass(frozen=True)
class MeasuredRun:
    """Searches that asked all shards of a gallery, on one machine.

    Attributes:
        shards: each a process with an equal share of the images.
        per_second: mean rate of the Poisson process by which they arrived.
        milliseconds: from the arrival of each to its merged answer.
    """

    shards: int
    per_second: float
    milliseconds: Sequence[float]


@dataclass(frozen=True)
class Measured:
    """Times of shards on one machine.

    Attributes:
        cores: of the machine, which all its shards share.
        positions, dimensions: of the contributions.
        images: of all shards together.
        alone: images of a shard -> its search times, one search at a time and nothing else running.
        hops: time of each such call without its search.
        call_ms: the asking process's own processor time for each call.
        runs: what is to be predicted from these.
    """

    cores: int
    positions: int
    dimensions: int
    images: int
    alone: Mapping[int, Sequence[float]]
    hops: Sequence[float]
    call_ms: float
    runs: Sequence[MeasuredRun]

    def service(self, images: int | None = None) -> ServiceTimes:
        """The search times of a shard of this size; of the largest one by default."""
        size = max(self.alone) if images is None else images
        times = np.sort(np.array(self.alone[size], np.float64))
        return ServiceTimes(size, self.positions, self.dimensions, times)

    def write(self, path: Path) -> None:
        """Write it as JSON, to the hundredth of a millisecond."""
        path.write_text(json.dumps(_rounded(asdict(self))) + "\n", encoding="utf-8")


def read(path: Path | None) -> Measured:
    """The measured times of a file; those that come with the program by default.

    Raises:
        MeasuredError: the file cannot be read, or is not such a file.
    """
    if path is None:
        return _parsed(files("partlens.server.bench.fanout").joinpath(_BUNDLED).read_text("utf-8"))
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_BYTES + 1)
        if len(text) > _LARGEST_BYTES:
            raise MeasuredError(f"it has more than {_LARGEST_BYTES} bytes")
        return _parsed(text.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MeasuredError(
            f"{path} is not a file of measured times: {error}. `partlens bench shares --out FILE`"
            " writes one"
        ) from error


def _parsed(text: str) -> Measured:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise MeasuredError("it is not a JSON object")
    alone = _field(found, "alone", _alone)
    runs = _field(found, "runs", lambda runs: [_run(one) for one in runs])
    return Measured(
        cores=_field(found, "cores", _count),
        positions=_field(found, "positions", _count),
        dimensions=_field(found, "dimensions", _count),
        images=_field(found, "images", _count),
        alone=alone,
        hops=_field(found, "hops", _times),
        call_ms=_field(found, "call_ms", _time),
        runs=runs,
    )


def _alone(found: Any) -> Mapping[int, Sequence[float]]:
    made = {_count(int(images)): _times(times) for images, times in found.items()}
    if not made:
        raise MeasuredError("it lists no shard")
    return made


def _run(found: Any) -> MeasuredRun:
    return MeasuredRun(
        _field(found, "shards", _count),
        _field(found, "per_second", _rate),
        _field(found, "milliseconds", _times),
    )


def _field(found: Any, name: str, parse: Callable[[Any], T]) -> T:
    try:
        return parse(found[name])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MeasuredError(f"{name}: {error}") from error


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise MeasuredError(f"{value!r} is not a whole number of at least 1")
    return value


def _time(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MeasuredError(f"{value!r} is not a number")
    if not (math.isfinite(value) and value >= 0):
        raise MeasuredError(f"{value!r} is not a finite number of at least 0")
    return float(value)


def _rate(value: Any) -> float:
    if not (rate := _time(value)):
        raise MeasuredError("a rate is more than 0")
    return rate


def _times(values: Any) -> Sequence[float]:
    if not isinstance(values, list) or not values:
        raise MeasuredError("not a list of at least one number")
    return [_time(value) for value in values]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
