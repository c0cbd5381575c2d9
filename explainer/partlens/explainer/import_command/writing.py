"""An import, from request to model folder, and the lines to print."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.common.files import read_file
from partlens.common.registration import Axis
from partlens.common.terminal import say
from partlens.explainer.errors import ImageError, ModelError
from partlens.explainer.images import SUFFIXES, decode, image_files
from partlens.explainer.import_command.request import ImportRequest
from partlens.explainer.import_command.source import sourced
from partlens.explainer.importing.fidelity import save_checked
from partlens.explainer.model import MetricModel
from partlens.explainer.patches import PASSES, SECONDS
from partlens.explainer.registering import Registered, register
from partlens.explainer.spec import ModelSpec

_CHECKED_IMAGES = 8


def write(request: ImportRequest, folder: Path) -> list[str]:
    """Import a network into a model folder, all of it or nothing.

    Returns:
        Lines that describe the model and what was measured.

    Raises:
        ExplainerError: it cannot be imported, or its images cannot be read.
    """
    from partlens.explainer.starter.pictures import probes

    images = _some_images(request.images)
    found = sourced(request, images)
    spec = found.imported.model.spec
    if spec.positions == 1 and not request.one_position:
        raise ModelError(
            f"the feature layer {spec.feature_layer!r} gives a map of one position (1x1): no map"
            " can be drawn and no part be searched for. Choose an earlier layer, or add"
            " --one-position to search by whole images only"
        )
    say(f"measuring where each cell looks: up to {PASSES} images or {SECONDS:g} s", err=True)
    model, measured = register(found.imported.model, probes())
    imported = replace(found.imported, model=model)
    saved, cosine = save_checked(imported, folder, images or probes()[:_CHECKED_IMAGES])
    plain = spec.preprocessing.to_json()
    origins = ", ".join(f"{key} {plain[key]} ({found.origins[key]})" for key in plain)
    kind = "real" if images else "generated"
    return [
        *described(saved),
        *not_measured(measured),
        f"source of each: {origins}",
        f"on {kind} images: cosine with the original network at least {cosine:.6f}",
    ]


def described(made: MetricModel) -> list[str]:
    """A model's spec, and what its import measured, one line each."""
    plain = made.spec.to_json()
    plain["registration"] = _registration(made.spec)
    lines = [
        f"{key}: {json.dumps(value) if isinstance(value, dict) else value}"
        for key, value in plain.items()
    ]
    for images, found in made.measured.items():
        lines.append(
            f"on {images} images: completeness error {found.error:.2g}, bias share"
            f" {found.bias_share:.4f}"
        )
    return lines


def not_measured(found: Registered) -> list[str]:
    """Why rows or columns keep evenly spread centres, one line each."""
    return [
        f"registration: {name} keep evenly spread centres: {why}"
        for name, why in found.kept_nominal.items()
    ]


def _registration(spec: ModelSpec) -> str:
    """Where the cells look, in pixels of the model's input."""
    if spec.registered is None:
        return "not measured; cells are taken to be evenly spread (see `partlens model register`)"
    size = spec.preprocessing
    return "; ".join(
        (
            _axis("rows", spec.registered.rows, size.height),
            _axis("columns", spec.registered.cols, size.width),
        )
    )


def _axis(name: str, axis: Axis, side: int) -> str:
    if not axis.spreads:
        return f"{name} evenly spread"
    centres = " ".join(f"{centre * side:.0f}" for centre in axis.centres)
    shift = axis.shift()
    return (
        f"{name} at {centres} of {side} pixels, seen with a standard deviation of"
        f" {sum(axis.spreads) / len(axis) * side:.0f}, shifted by up to {shift * side:+.1f} pixels"
        f" ({shift * len(axis):+.2f} cells)"
    )


def _some_images(folder: str | None) -> list[NDArray[np.uint8]]:
    """The first few images of a folder."""
    if folder is None:
        return []
    files = image_files(Path(folder))
    if not files:
        raise ModelError(f"--images {folder} contains no images ({', '.join(sorted(SUFFIXES))})")
    return [_picture(path) for path in files[:_CHECKED_IMAGES]]


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        return decode(read_file(path))
    except (OSError, ImageError) as error:
        raise ImageError(f"--images: {path}: {error}") from error
