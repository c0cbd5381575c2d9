"""PyTorch modules to import: loaded with their weights, run by ONNX Runtime or as the original."""

import importlib
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from partlens.common.files import require_regular
from partlens.explainer.backbone import FloatArray, OnnxBackbone
from partlens.explainer.errors import CompletenessError, ModelError
from partlens.explainer.importing.fidelity import Original
from partlens.explainer.model import MetricModel
from partlens.explainer.splitting.assembly import sample_pixels
from partlens.explainer.splitting.outputs import embeddings


@dataclass(frozen=True)
class DeclaredSize:
    """An input size, and the attribute of a module that names it."""

    height: int
    width: int
    attribute: str


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


def load_module(factory: str, weights: Path) -> nn.Module:
    """The module that `package.module:factory` makes, with weights loaded strictly.

    Args:
        factory: a callable without arguments, in a module that can be imported here.
        weights: .safetensors, or a .pth/.pt/.ckpt that torch.load reads with weights_only=True;
            a state dict, or a mapping that holds one under the only key that is a mapping.

    Raises:
        ModelError: no such factory, or weights that are damaged or do not fit.
    """
    place, _, attribute = factory.partition(":")
    try:
        module = getattr(importlib.import_module(place), attribute)()
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise ModelError(
            f"--torch {factory!r} (package.module:factory): {type(error).__name__}: {error}"
            f"{_where(error)}"
        ) from error
    if not isinstance(module, nn.Module):
        raise ModelError(f"{factory} returns {type(module).__name__}, not a torch.nn.Module")
    try:
        module.load_state_dict(_state_dict(weights), strict=True)
    except RuntimeError as error:
        raise ModelError(f"the weights in {weights.name} do not fit {factory}: {error}") from error
    return module


def declared_size(module: nn.Module) -> DeclaredSize | None:
    """The input size that a module names itself, as those of timm and many transformers do."""
    for name in ("pretrained_cfg", "default_cfg"):
        given = getattr(module, name, None)
        if isinstance(given, Mapping) and (found := _size(given.get("input_size"))) is not None:
            return DeclaredSize(*found, f"{name}['input_size']")
    for name in ("image_size", "img_size"):
        if (found := _size(getattr(module, name, None))) is not None:
            return DeclaredSize(*found, name)
    return None


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


def _state_dict(weights: Path) -> dict[str, Tensor]:
    try:
        require_regular(weights)
        if weights.suffix == ".safetensors":
            return load_file(weights)
        state: Any = torch.load(weights, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError) as error:
        raise ModelError(f"{weights.name} cannot be read as weights: {error}") from error
    except Exception as error:  # the unpickler's own class, which torch does not export
        raise ModelError(
            f"{weights.name} holds more than weights (torch.load weights_only refuses it): {error}"
        ) from error
    if isinstance(state, dict) and not all(isinstance(v, Tensor) for v in state.values()):
        inner = [value for value in state.values() if isinstance(value, dict)]
        state = inner[0] if len(inner) == 1 else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{weights.name} holds no state dict; save module.state_dict()")
    return {str(key).removeprefix("module."): value for key, value in state.items()}
