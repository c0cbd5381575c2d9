"""A network to import, from each kind of source, with the preprocessing that it wants."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from partlens.explainer.errors import ModelError
from partlens.explainer.import_command.network import (
    Described,
    Images,
    Network,
    OnnxNetwork,
    TorchNetwork,
)
from partlens.explainer.import_command.request import AUTO, ImportRequest
from partlens.explainer.importing.onnx_file import read
from partlens.explainer.importing.onnx_input import pixel_input
from partlens.explainer.importing.torch_module import declared_pixels, load_module
from partlens.explainer.preprocessing import Preprocessing

if TYPE_CHECKING:
    from partlens.explainer.importing.huggingface import Pooling, Pretrained

_USUAL = Preprocessing(224, 224)
DEFAULT = "default"
"""Origin of a value that nothing states."""
_OPTIONS = {"colour_order": "--colours"}


class MissingOptionError(ModelError):
    """An option is missing; the message names it and what to choose from."""


def opened(request: ImportRequest, images: Images) -> Network:
    """The network of a request, not yet cut.

    Args:
        images: RGB, to choose the pooling of --hf by.

    Raises:
        ModelError: it cannot be read; see its subclasses.
    """
    if request.onnx_file is not None:
        return _from_onnx(request, Path(request.onnx_file))
    if request.pretrained is not None:
        return _from_hub(request, request.pretrained, images)
    return _from_torch(request)


def _from_onnx(request: ImportRequest, path: Path) -> Network:
    whole = read(path)
    outputs = [output.name for output in whole.graph.output]
    embedding = request.embedding or (outputs[0] if len(outputs) == 1 else "")
    if not request.feature_tensor or not embedding:
        missing = "--embedding" if request.feature_tensor else "--feature-tensor and --embedding"
        raise MissingOptionError(
            f"--onnx needs {missing}; the outputs of {path.name} are {', '.join(outputs)}."
            " --feature-tensor auto chooses by measuring; `partlens model suggest` lists tensors"
        )
    declared = pixel_input(whole)
    preprocessing = _chosen(declared.preprocessing(), request)
    declared.require(preprocessing, request.other_size)
    known = {key: "fixed by the ONNX file" for key in ("height", "width") if getattr(declared, key)}
    if declared.raw:
        known |= {"mean": "ONNX file", "std": "ONNX file"}
    why = "--embedding" if request.embedding else f"the only output of {path.name}"
    return OnnxNetwork(
        file=whole,
        embedding=embedding,
        other_size=request.other_size,
        described=Described(request.name, request.licence, request.extras),
        preprocessing=preprocessing,
        origins=_origins(request, known),
        notes=(f"embedding: {embedding} ({why})",),
    )


def _from_torch(request: ImportRequest) -> Network:
    if request.factory is None or request.weights is None:
        raise MissingOptionError("--torch needs --weights")
    sys.path.insert(0, os.getcwd())  # as `python -m` has it
    try:
        module, loaded = load_module(request.factory, Path(request.weights), request.weights_entry)
    finally:
        sys.path.remove(os.getcwd())
    values, known = declared_pixels(module)
    where = loaded.described()
    notes = [f"weights: {where} of {Path(request.weights).name}"] if where else []
    why = f"{request.embedding} (--embedding)" if request.embedding else "the module's only output"
    return TorchNetwork(
        module=module.eval(),
        embedding=request.embedding,
        described=Described(request.name, request.licence, request.extras),
        preprocessing=_chosen(replace(_USUAL, **values), request),
        origins=_origins(request, known),
        notes=(*notes, f"embedding: {why}"),
        named="" if request.feature_layer == AUTO else request.feature_layer,
    )


def _from_hub(request: ImportRequest, source: str, images: Images) -> Network:
    from partlens.explainer.importing.huggingface import load_pretrained

    found = load_pretrained(source, cast("Pooling | None", request.pooling))
    known = found.origins
    licence = request.licence or found.licence
    notes = [f"licence: {licence} (stated by the hub)"] if licence != request.licence else []
    if request.pooling is not None:
        notes.append(f"pooling: {request.pooling} (--pooling)")
    elif len(found.modules) == 1:
        notes.append(f"pooling: {next(iter(found.modules))}, the only one of this family")
    networks: dict[Pooling, TorchNetwork] = {
        pooling: TorchNetwork(
            module=module,
            embedding="",
            described=Described(request.name, licence, found.extras),
            preprocessing=_chosen(found.preprocessing, request),
            origins=_origins(request, known),
            preferred=found.feature_layer,
            notes=notes,
        )
        for pooling, module in found.modules.items()
    }
    return next(iter(networks.values())) if len(networks) == 1 else _pooled(networks, found, images)


def _pooled(
    networks: "Mapping[Pooling, TorchNetwork]", found: "Pretrained", images: Images
) -> Network:
    """The network with the pooling that leaves least of the embedding to the bias."""
    shares: dict[Pooling, float] = {
        pooling: network.model(found.feature_layer, images).spec.bias_share
        for pooling, network in networks.items()
    }
    best = min(networks, key=lambda pooling: shares[pooling])
    measured = ", ".join(f"{pooling} {share:.2f}" for pooling, share in shares.items())
    note = f"pooling: {best}, which leaves the smaller share of the embedding to the bias"
    note += f" ({measured}); --pooling chooses another"
    return replace(networks[best], notes=(*networks[best].notes, note))


def _chosen(preprocessing: Preprocessing, request: ImportRequest) -> Preprocessing:
    """The preprocessing with the options from the command line."""
    return replace(preprocessing, **request.pixels)


def _origins(request: ImportRequest, known: Mapping[str, str]) -> dict[str, str]:
    """Where each field comes from: an option, the source, or the default."""
    given = {key: _OPTIONS.get(key, f"--{key}") for key in request.pixels}
    return dict.fromkeys(_USUAL.to_json(), DEFAULT) | dict(known) | given
