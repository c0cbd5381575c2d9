"""A network to import, from each kind of source, with the preprocessing that it wants."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ModelError
from partlens.explainer.import_command.request import ImportRequest
from partlens.explainer.importing.fidelity import Imported
from partlens.explainer.importing.onnx_file import from_onnx_file, read
from partlens.explainer.importing.onnx_input import original as original_file
from partlens.explainer.importing.onnx_input import pixel_input
from partlens.explainer.importing.torch_module import (
    declared_size,
    load_module,
    original,
    with_onnx_backbone,
)
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import nn

    from partlens.explainer.importing.huggingface import Pooling

_USUAL = Preprocessing(224, 224)
_OPTIONS = {"colour_order": "--colours"}


@dataclass(frozen=True)
class Sourced:
    """What was imported.

    Attributes:
        imported: the model and the original.
        origins: where each field of its preprocessing comes from, as "--height".
    """

    imported: Imported
    origins: dict[str, str]


class MissingOptionError(ModelError):
    """An option is missing; the message names it and what to choose from."""


def sourced(request: ImportRequest, images: list[NDArray[np.uint8]]) -> Sourced:
    """The network of a request, cut, decomposed and checked.

    Args:
        images: RGB, for the checks; may be empty.

    Raises:
        ModelError: it cannot be imported; see its subclasses.
    """
    if request.onnx_file is not None:
        return _from_onnx(request, Path(request.onnx_file), images)
    if request.pretrained is not None:
        return _from_hub(request, request.pretrained, images)
    return _from_torch(request, images)


def _from_onnx(request: ImportRequest, file: Path, images: list[NDArray[np.uint8]]) -> Sourced:
    whole = read(file)
    if not request.feature_tensor or not request.embedding:
        outputs = ", ".join(output.name for output in whole.graph.output)
        raise MissingOptionError(
            f"--onnx needs --feature-tensor and --embedding; the outputs of {file.name} are"
            f" {outputs}"
        )
    declared = pixel_input(whole)
    preprocessing = _chosen(declared.preprocessing(), request)
    made = from_onnx_file(
        file,
        feature_tensor=request.feature_tensor,
        embedding=request.embedding,
        preprocessing=preprocessing,
        name=request.name,
        licence=request.licence,
        images=images,
        extras=request.extras,
        other_size=request.other_size,
    )
    known = {key: "ONNX file" for key in ("height", "width") if getattr(declared, key)}
    if declared.raw:
        known |= {"mean": "ONNX file", "std": "ONNX file"}
    first = original_file(whole, declared, request.embedding, request.other_size)
    return Sourced(Imported(made, first), _origins(request, known))


def _from_torch(request: ImportRequest, images: list[NDArray[np.uint8]]) -> Sourced:
    if request.factory is None or request.weights is None:
        raise MissingOptionError("--torch needs --weights")
    sys.path.insert(0, os.getcwd())  # as `python -m` has it
    try:
        module = load_module(request.factory, Path(request.weights))
    finally:
        sys.path.remove(os.getcwd())
    usual, known = _USUAL, dict[str, str]()
    if (declared := declared_size(module)) is not None:
        usual = replace(usual, height=declared.height, width=declared.width)
        known = {side: f"the module's {declared.attribute}" for side in ("height", "width")}
    preprocessing = _chosen(usual, request)
    return Sourced(
        _from_module(module, request.feature_layer, request.extras, preprocessing, request, images),
        _origins(request, known),
    )


def _from_hub(request: ImportRequest, source: str, images: list[NDArray[np.uint8]]) -> Sourced:
    from partlens.explainer.importing.huggingface import load_pretrained

    found = load_pretrained(source, cast("Pooling | None", request.pooling))
    layer = request.feature_layer or found.feature_layer
    preprocessing = _chosen(found.preprocessing, request)
    known = dict.fromkeys(found.preprocessing.to_json(), "--hf")
    made = _from_module(found.module, layer, found.extras, preprocessing, request, images)
    return Sourced(made, _origins(request, known))


def _from_module(
    module: "nn.Module",
    layer: str,
    extras: tuple[str, ...],
    preprocessing: Preprocessing,
    request: ImportRequest,
    images: list[NDArray[np.uint8]],
) -> Imported:
    live = MetricModel.from_module(
        module,
        feature_layer=layer,
        embedding=request.embedding,
        preprocessing=preprocessing,
        name=request.name,
        licence=request.licence,
        images=images,
        extras=extras,
    )
    return Imported(with_onnx_backbone(live, images), original(module, request.embedding))


def _chosen(preprocessing: Preprocessing, request: ImportRequest) -> Preprocessing:
    """The preprocessing with the options from the command line."""
    return replace(preprocessing, **request.pixels)


def _origins(request: ImportRequest, known: dict[str, str]) -> dict[str, str]:
    """Where each field comes from: an option, the source, or the default."""
    given = {key: _OPTIONS.get(key, f"--{key}") for key in request.pixels}
    return dict.fromkeys(_USUAL.to_json(), "default") | known | given
