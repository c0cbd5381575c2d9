"""An import, from request to model folder, and the lines to print."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.common.bias import bias_warning
from partlens.common.files import read_file
from partlens.common.registration import Axis
from partlens.common.terminal import say
from partlens.explainer.backbone import OnnxBackbone
from partlens.explainer.errors import ImageError, ModelError
from partlens.explainer.images import SUFFIXES, decode, image_files
from partlens.explainer.import_command.network import Images, Network
from partlens.explainer.import_command.request import AUTO, ImportRequest
from partlens.explainer.import_command.source import DEFAULT, opened
from partlens.explainer.import_command.suggestion import Suggestion, chosen, suggest
from partlens.explainer.importing.fidelity import Imported, save_checked
from partlens.explainer.model import MetricModel
from partlens.explainer.patches import PASSES
from partlens.explainer.patches import SECONDS as PASSES_SECONDS
from partlens.explainer.registering import Registered, register
from partlens.explainer.spec import ModelSpec

_CHECKED_IMAGES = 8
SECONDS = 1800.0
"""That an import may take unless told otherwise."""


def write(request: ImportRequest, folder: Path, seconds: float = SECONDS) -> list[str]:
    """Import a network into a model folder, all of it or nothing.

    Args:
        seconds: time limit of the import; choosing the layer uses part of it.

    Returns:
        Lines that describe the model and what was measured.

    Raises:
        ExplainerError: it cannot be imported, or its images cannot be read.
    """
    from partlens.explainer.starter.pictures import probes

    images = some_images(request.images)
    pictures = images or generated()
    network = opened(request, pictures)
    layer, notes = _layer(request, network, pictures, seconds)
    if request.stride is None:
        found = network.imported(layer, images)
    else:
        found = network.finer(layer, request.stride).imported(layer, images)
        notes.append(_of_finer(network, found, layer, pictures))
        found = replace(found, model=_named(found.model, f"{layer} at stride {request.stride}"))
    spec = found.model.spec
    if spec.positions == 1 and not request.one_position:
        raise ModelError(
            f"the feature layer {spec.feature_layer!r} gives a map of one position (1x1): no map"
            " can be drawn and no part be searched for. Choose an earlier layer, or add"
            " --one-position to search by whole images only"
        )
    say(f"measuring where each cell looks: up to {PASSES} images or {PASSES_SECONDS:g} s", err=True)
    registered, measured = register(found.model, probes())
    saved, cosine = save_checked(replace(found, model=registered), folder, pictures)
    plain = spec.preprocessing.to_json()
    origins = ", ".join(f"{key} {plain[key]} ({network.origins[key]})" for key in plain)
    kind = "real" if images else "generated"
    return [
        *described(saved),
        *not_measured(measured),
        f"preprocessing from: {origins}",
        *_assumed(network),
        f"on {kind} images: cosine with the original network at least {cosine:.6f}",
        *network.notes,
        *_one_by_one(found),
        *notes,
    ]


def suggested(request: ImportRequest, seconds: float, most: int) -> Suggestion:
    """What an import of a network would give at its last layers.

    Args:
        seconds: time that this may take.
        most: layers to measure.

    Raises:
        ExplainerError: the network cannot be read, exported or run, or its images cannot be read.
    """
    pictures = some_images(request.images) or generated()
    network = opened(request, pictures)
    return suggest(network, pictures, seconds, most)


def _layer(
    request: ImportRequest, network: Network, pictures: Images, seconds: float
) -> tuple[str, list[str]]:
    """The layer to cut at, and why if it was chosen here."""
    named, option = request.feature_layer, "--feature-layer"
    if request.onnx_file is not None:
        named, option = request.feature_tensor, "--feature-tensor"
    if named not in ("", AUTO):
        return named, [f"feature layer {named!r} ({option})"]
    if not named and network.preferred:
        return network.preferred, [
            f"feature layer {network.preferred!r}: the usual one of this family (default)"
        ]
    found = chosen(network, pictures, seconds)
    if found.recommended is None:
        raise ModelError(found.reason)
    return found.recommended.layer, [f"feature layer {found.reason}"]


def _of_finer(coarse: Network, found: Imported, layer: str, pictures: Images) -> str:
    """What a finer map changes."""
    size = coarse.preprocessing
    pixels = np.stack([size.pixels(picture) for picture in pictures])
    before = coarse.original(pixels)
    after = found.original(pixels)
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    cosine = float(((before * after).sum(1) / np.maximum(lengths, 1e-12)).mean())
    rows, cols = found.model.spec.grid
    return (
        f"finer map: {rows}x{cols} positions at {layer!r}, which hold those of the original map;"
        f" their embeddings have a mean cosine of {cosine:.4f} with the original's"
    )


def _assumed(network: Network) -> list[str]:
    """Warnings of what nobody stated and a network cannot do without."""
    lines, plain = list[str](), network.preprocessing.to_json()
    assumed = {key for key, origin in network.origins.items() if origin == DEFAULT}
    if assumed & {"height", "width"}:
        lines.append(
            f"warning: no input size was given and the model states none;"
            f" {plain['height']}x{plain['width']} is assumed (--height, --width)"
        )
    if assumed & {"mean", "std"}:
        lines.append(
            f"warning: --mean or --std was not given and the model states none; mean"
            f" {plain['mean']} and std {plain['std']} are assumed. Networks trained on ImageNet"
            " mostly need --mean 123.7,116.3,103.5 --std 58.4,57.1,57.4"
        )
    return lines


def _one_by_one(found: Imported) -> list[str]:
    """That images run one by one, if they do."""
    backbone = found.model.backbone
    if not isinstance(backbone, OnnxBackbone) or not backbone.one_by_one:
        return []
    return [
        "batch: images run through the backbone one by one, because the ONNX file has a batch of"
        " one built into its layers. Exported for batches of any size (a dynamic axis), it is"
        " faster"
    ]


def _named(made: MetricModel, layer: str) -> MetricModel:
    return replace(made, spec=replace(made.spec, feature_layer=layer))


def described(made: MetricModel) -> list[str]:
    """A model's spec, and what its import measured, one line each."""
    plain = made.spec.to_json()
    plain["registration"] = _registration(made.spec)
    lines = [
        f"{key}: {json.dumps(value) if isinstance(value, dict) else value}"
        for key, value in plain.items()
    ]
    if (warning := bias_warning(made.spec.bias_share)) is not None:
        lines.append(f"warning: {warning}")
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
        f"{name} centred at {centres} of {side} pixels, with a standard deviation of"
        f" {sum(axis.spreads) / len(axis) * side:.0f}, up to {shift * side:+.1f} pixels"
        f" ({shift * len(axis):+.2f} cells) from an even grid"
    )


def some_images(folder: str | None) -> list[NDArray[np.uint8]]:
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


def generated() -> list[NDArray[np.uint8]]:
    """Generated images, used if none are given."""
    from partlens.explainer.starter.pictures import probes

    return probes()[:_CHECKED_IMAGES]
