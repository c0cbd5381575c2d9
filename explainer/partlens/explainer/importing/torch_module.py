"""PyTorch modules to import: loaded with their weights, run by ONNX Runtime or as the original."""

import importlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from partlens.explainer.backbone import FloatArray, OnnxBackbone
from partlens.explainer.errors import CompletenessError, ModelError
from partlens.explainer.importing.checkpoint import Weights, fitting
from partlens.explainer.importing.fidelity import Original
from partlens.explainer.model import MetricModel
from partlens.explainer.splitting.assembly import sample_pixels
from partlens.explainer.splitting.outputs import embeddings

_MOST_SAID = 300
"""Of what a factory's error says."""


def original(module: nn.Module, embedding: str = "") -> Original:
    """The module itself, image by image.

    Args:
        module: in eval mode.
        embedding: as MetricModel.from_module.
    """

    def embed(pixels: FloatArray) -> FloatArray:
        rows: FloatArray = embeddings(module, pixels, embedding).numpy()
        return rows

    return embed


def with_onnx_backbone(model: MetricModel, images: Sequence[NDArray[np.uint8]] = ()) -> MetricModel:
    """The same model run by ONNX Runtime, after a check that it computes the same.

    Args:
        model: live, from MetricModel.from_module.
        images: RGB uint8 [rows, cols, 3], to check on as well as random pixels.

    Raises:
        CompletenessError: the ONNX backbone differs by more than 1e-4 of the feature map's length.
        ModelError: the backbone cannot be written as ONNX.
    """
    backbone = OnnxBackbone(model.backbone.to_onnx())
    pixels = sample_pixels(model.spec.preprocessing, images)
    ours, theirs = backbone(pixels), model.backbone(pixels)
    error = float(np.linalg.norm(ours - theirs)) / max(float(np.linalg.norm(theirs)), 1e-12)
    if not error <= 1e-4:
        raise CompletenessError(
            f"the ONNX backbone differs from the module by {error:.2g} of the feature map's"
            " length; at most 1e-4 is allowed"
        )
    return replace(model, backbone=backbone)


def load_module(factory: str, weights: Path, entry: str = "") -> tuple[nn.Module, Weights]:
    """The module that `package.module:factory` makes, with weights loaded strictly.

    Args:
        factory: a callable without arguments, in a module that can be imported here.
        weights: .safetensors, or a .pth/.pt/.ckpt that torch.load reads with weights_only=True;
            see checkpoint.fitting.
        entry: of the checkpoint; "" for the one that fits.

    Returns:
        The module, and the weights that were loaded into it.

    Raises:
        ModelError: no such factory, or weights that are damaged or do not fit.
    """
    place, _, attribute = factory.partition(":")
    try:
        module = getattr(importlib.import_module(place), attribute)()
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise ModelError(f"--torch {factory!r}: {_own_error(error, place)}") from error
    if not isinstance(module, nn.Module):
        raise ModelError(f"{factory} returns {type(module).__name__}, not a torch.nn.Module")
    found = fitting(weights, module, entry)
    module.load_state_dict(dict(found.state), strict=True)
    return module, found


def _own_error(error: BaseException, place: str) -> str:
    """What went wrong in the code of a factory, on one line."""
    package, said = place.partition(".")[0], " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and error.name == package:
        return (
            f"there is no package {package!r}. Install it, or run the command in the folder that"
            f" contains {package}.py (the form is package.module:factory)"
        )
    short = said if len(said) <= _MOST_SAID else f"{said[:_MOST_SAID]}..."
    told = f"{type(error).__name__}: {short}{_where(error)}"
    if not place or package in sys.modules:
        return f"{told} (the form is package.module:factory)" if not place else told
    return (
        f"the package {package!r} is there but cannot be imported: {told}. Its version may not fit"
        f" torch {torch.__version__}"
    )


def declared_pixels(module: nn.Module) -> tuple[dict[str, Any], dict[str, str]]:
    """What a module itself says of its pixels, as those of timm and many transformers do.

    Returns:
        Fields of Preprocessing, and the attribute that each comes from.
    """
    values, origins = dict[str, Any](), dict[str, str]()
    for name in ("default_cfg", "pretrained_cfg"):  # the later wins
        given = getattr(module, name, None)
        if not isinstance(given, Mapping):
            continue
        if (size := _size(given.get("input_size"))) is not None:
            values |= dict(zip(("height", "width"), size, strict=True))
            origins |= dict.fromkeys(("height", "width"), f"the module's {name}['input_size']")
        for key in ("mean", "std"):
            if (three := _three(given.get(key))) is not None:
                values[key], origins[key] = three, f"the module's {name}[{key!r}]"
    for name in ("img_size", "image_size"):
        if "height" not in values and (size := _size(getattr(module, name, None))) is not None:
            values |= dict(zip(("height", "width"), size, strict=True))
            origins |= dict.fromkeys(("height", "width"), f"the module's {name}")
    return values, origins


def _three(given: object) -> tuple[float, float, float] | None:
    """Three numbers of pixels from 0 to 1, in units of 0..255."""
    if not isinstance(given, list | tuple) or len(given) != 3:
        return None
    if not all(type(one) in (int, float) and 0 <= one <= 1 for one in given):
        return None
    first, second, third = (round(255 * float(one), 6) for one in given)
    return first, second, third


def _size(given: object) -> tuple[int, int] | None:
    """(height, width) of one number, two, or three of which the first are the channels."""
    sizes = [given, given] if type(given) is int else given
    if not isinstance(sizes, list | tuple) or not all(type(size) is int for size in sizes):
        return None
    if len(sizes) == 3 and sizes[0] == 3:
        sizes = sizes[1:]
    return (sizes[0], sizes[1]) if len(sizes) == 2 and min(sizes) > 0 else None


def _where(error: BaseException) -> str:
    """The last line of the user's own code, as " (net.py:12)"."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
