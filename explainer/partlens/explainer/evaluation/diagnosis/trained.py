"""Trains heads with several losses on one backbone's frozen feature maps, and diagnoses them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from partlens.explainer.errors import ShapeError
from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.batches import batches, passes_over
from partlens.explainer.evaluation.diagnosis.heads import HeadTraining, Loss, pool, train_head
from partlens.explainer.evaluation.diagnosis.measure import (
    Diagnosis,
    Images,
    Watched,
    diagnose,
    divide,
    draw_labels,
    recall_at_1,
)
from partlens.explainer.head.operators import Head
from partlens.explainer.head.run import run
from partlens.explainer.model import MetricModel


def diagnose_losses(
    model: MetricModel,
    folder: Path,
    images: Sequence[AnnotatedImage],
    losses: Sequence[Loss],
    seeds: Sequence[int],
    training: HeadTraining,
    seen_labels: frozenset[str] | None = None,
    progress: Callable[[str], None] = lambda done: None,
) -> dict[str, list[Diagnosis]]:
    """Train and diagnose a head for each loss and seed.

    All losses share the labels, initial weights and batches of a seed. The backbone runs once, and
    its feature maps stay in memory: 4 N C rows cols bytes.

    Args:
        model: the model; its backbone is used, its own head is not.
        folder: folder that the images' paths are relative to.
        seen_labels: labels to train on; None draws half of the labels anew for each seed.
        progress: called with the next step, in words.

    Raises:
        AnnotationError: an image is unusable, or there are too few labels.
        ShapeError: the backbone returns tokens.
    """
    progress(f"feature maps of {len(images)} images")
    maps = torch.cat([batch.feature for batch in batches(model, folder, images)])
    if maps.ndim != 4:
        raise ShapeError("heads are trained on feature maps [N, C, rows, cols], not on tokens")
    found: dict[str, list[Diagnosis]] = {loss: [] for loss in losses}
    for seed in seeds:
        labels = draw_labels(images, seed) if seen_labels is None else seen_labels
        seen, unseen = (
            Images([images[n] for n in some], passes_over(maps[some]))
            for some in divide(images, labels)
        )
        for loss in losses:
            progress(f"{loss}, seed {seed}")
            found[loss].append(_trained(model, loss, seed, training, seen, unseen))
    return found


def _trained(
    model: MetricModel,
    loss: Loss,
    seed: int,
    training: HeadTraining,
    seen: Images,
    unseen: Images,
) -> Diagnosis:
    pooled = [torch.cat([pool(maps) for _, maps in some.source()]) for some in (seen, unseen)]
    curve: list[Watched] = []

    def watch(step: int, head: Head) -> None:
        # Pooling pooled features changes nothing, so the head can run on maps of one position.
        recalls = [
            recall_at_1(run(head, vectors[..., None, None]).numpy(), some.images)
            for vectors, some in zip(pooled, (seen, unseen), strict=True)
        ]
        curve.append(Watched(step, *recalls))

    labels = [image.label for image in seen.images]
    head = train_head(pooled[0], labels, loss, seed, training, watch)
    spec = replace(model.spec, name=loss, digest="", dimensions=training.dimensions)
    return diagnose(replace(model, spec=spec, head=head), seen, unseen, curve)
