"""`partlens bench standing`: the cost of many standing queries, compared with single searches."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from partlens.common.results import json_option, say_json
from partlens.common.terminal import say
from partlens.explainer.errors import ExplainerError
from partlens.explainer.model import read_spec
from partlens.explainer.scoring import ManySearches, QueryPart, query_part, score_images
from partlens.explainer.spec import ModelSpec


@dataclass(frozen=True)
class StandingCost:
    """Times of scoring new images, medians over interleaved runs.

    Attributes:
        queries, images: numbers of each.
        together_ms: time for all queries at once, in milliseconds.
        apart_ms: time for one search per query, in milliseconds.
        ratio: apart_ms / together_ms.
    """

    queries: int
    images: int
    together_ms: float
    apart_ms: float
    ratio: float


def measure(spec: ModelSpec, queries: int, images: int, repeats: int) -> StandingCost:
    """Time both ways in turns, on random features of the model's shape."""
    random = np.random.default_rng(0)

    def features(count: int) -> tuple[np.ndarray, np.ndarray]:
        shape = (count, spec.positions, spec.dimensions)
        return random.standard_normal(shape, np.float32), random.standard_normal(
            shape[::2], np.float32
        )

    parts = [[_part(spec, *features(1))] for _ in range(queries)]
    contributions, bias = features(images)
    together = ManySearches([("context", one) for one in parts])
    ways: Sequence[Callable[[], object]] = (
        lambda: together.scores(contributions, bias, spec.grid),
        lambda: [score_images("context", one, contributions, bias, spec.grid) for one in parts],
    )
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(-1, repeats):  # the first warms up
        for way, spent in zip(ways, times, strict=True):
            begun = time.perf_counter()
            way()
            if repeat >= 0:
                spent.append(1e3 * (time.perf_counter() - begun))
    quick, slow = map(statistics.median, times)
    return StandingCost(queries, images, quick, slow, slow / quick)


def _part(spec: ModelSpec, contributions: np.ndarray, bias: np.ndarray) -> QueryPart:
    """A region of a third of the rows and half of the columns."""
    rows, cols = spec.grid
    covered = np.zeros(spec.grid, np.float32)
    covered[: max(1, rows // 3), : max(1, cols // 2)] = 1
    return query_part(contributions[0], bias[0], covered.reshape(-1), spec.grid)


@click.command()
@click.option(
    "--model", required=True, type=click.Path(path_type=Path), help="Model folder, for its shape."
)
@click.option("--queries", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--images", type=click.IntRange(1), default=1, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@json_option
def standing(model: Path, queries: int, images: int, repeats: int, as_json: bool) -> None:
    """Compare scoring new images against all standing queries with one search per query."""
    try:
        cost = measure(read_spec(model), queries, images, repeats)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say_json(asdict(cost))
    else:
        say(
            f"{queries} queries, {images} images: together {cost.together_ms:.1f} ms, apart"
            f" {cost.apart_ms:.1f} ms, ratio {cost.ratio:.1f}"
        )
