"""`partlens bench head`: the cost of decomposing, compared with running the backbone."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import torch

from partlens.common.results import json_lines_option, say_json
from partlens.common.terminal import say
from partlens.explainer.errors import ExplainerError
from partlens.explainer.model import MetricModel
from partlens.explainer.splitting.assembly import sample_pixels


@dataclass(frozen=True)
class HeadCost:
    """Times of one batch, medians over interleaved runs.

    Attributes:
        model: name of the model.
        batch: images per batch.
        backbone_ms: pixels to the feature map, in milliseconds.
        head_ms: the feature map to contributions and bias, in milliseconds.
        ratio: head_ms / backbone_ms.
    """

    model: str
    batch: int
    backbone_ms: float
    head_ms: float
    ratio: float


def measure(model: MetricModel, *, batch: int = 16, repeats: int = 20) -> HeadCost:
    """Time the two halves of a decomposition side by side.

    Args:
        model: a live or loaded model.
        batch: images per batch.
        repeats: measured runs; each runs both halves, so that other load affects both.
    """
    pixels = sample_pixels(model.spec.preprocessing)
    pixels = pixels[[i % len(pixels) for i in range(batch)]]
    feature = torch.from_numpy(model.backbone(pixels))
    halves: tuple[Callable[[], object], ...] = (
        lambda: model.backbone(pixels),
        lambda: model.decompose_features(feature),
    )
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(-2, repeats):  # the first two warm up
        for half, spent in zip(halves, times, strict=True):
            begun = time.perf_counter()
            half()
            if repeat >= 0:
                spent.append(1e3 * (time.perf_counter() - begun))
    backbone_ms, head_ms = map(statistics.median, times)
    return HeadCost(model.spec.name, batch, backbone_ms, head_ms, head_ms / backbone_ms)


@click.command()
@click.argument(
    "models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODEL..."
)
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=20, show_default=True)
@json_lines_option
def head(models: tuple[Path, ...], batch: int, repeats: int, as_json: bool) -> None:
    """Compare the time of decomposing with the backbone's, for each model."""
    try:
        for folder in models:
            cost = measure(MetricModel.load(folder), batch=batch, repeats=repeats)
            if as_json:
                say_json(asdict(cost))
            else:
                say(
                    f"{cost.model}: backbone {cost.backbone_ms:.1f} ms, decomposition"
                    f" {cost.head_ms:.2f} ms, ratio {cost.ratio:.4f} (batch {cost.batch})"
                )
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
