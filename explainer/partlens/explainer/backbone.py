"""The backbone, from pixels to the feature map: the part of a model that is run, not explained."""

import logging
import math
import threading
import warnings
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from partlens.common.compute import CPU, Compute, cores
from partlens.explainer.errors import ModelError, ModelFileError, ShapeError
from partlens.explainer.onnx_graphs import parsed, require_self_contained
from partlens.explainer.onnx_runtime import Session, run, said, session

FloatArray = NDArray[np.float32]
_SECONDS = 60.0
"""For each image; large networks take up to 10 s on one slow core."""
_PIXELS_IN_A_PASS = 2**17
"""On a CPU. What larger passes keep between two operators does not fit into a core's cache: with 32
images of 224x224, MobileNetV2 takes 1.7 times the processor time per image of 2."""
_KEPT_TWICE = 2**27
"""Bytes of a model at most that is loaded once more to run several passes at once."""


class Backbone(Protocol):
    """Pixels to the feature map A."""

    def __call__(self, pixels: FloatArray) -> FloatArray:
        """Pixels [N, 3, height, width] to A, shape [N, C, rows, cols] or tokens [N, T, C]."""
        ...

    def to_onnx(self) -> bytes:
        """The same function as an ONNX model; its batch axis is dynamic, or 1."""
        ...


class OnnxBackbone:
    """An ONNX model with one input and one output, run by ONNX Runtime.

    On a CPU, small passes are the fastest, so a batch is split into passes of a few images. Cores
    that share a pass wait for each other after each operator, so each core runs passes of its own,
    unless there is only one. If the model's input is declared for a batch of one, images run one by
    one.

    Args:
        data: the serialised model, with all weights inside.
        compute: the device and precision it runs on.

    Raises:
        ModelFileError: not an ONNX model that can be run, or not of this form.
        ModelError: no such device is available.
    """

    def __init__(self, data: bytes, compute: Compute = CPU) -> None:
        self._data, self._compute = data, compute
        try:
            require_self_contained(parsed(data), "the backbone")
            self._session = session(data, compute)
        except ModelError:
            raise
        except Exception as error:  # protobuf and ONNX Runtime raise many classes of their own
            raise ModelFileError(
                f"the backbone is not an ONNX model that can be run: {error}"
            ) from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelFileError(
                f"the backbone has {len(inputs)} inputs and {len(outputs)} outputs; it needs one of"
                " each"
            )
        self._input, self._output = inputs[0].name, outputs[0].name
        self.one_by_one: bool = list(inputs[0].shape[:1]) == [1]
        self._loading = threading.Lock()
        self._on_one_core: Session | None = None

    def __call__(self, pixels: FloatArray) -> FloatArray:
        """Pixels [N, 3, height, width] to A.

        Raises:
            ShapeError: the model does not take pixels of this shape.
            ModelError: it takes more than a minute per image.
        """
        return self._run(pixels, self._images_in_a_pass(pixels))

    def at_once(self, pixels: FloatArray) -> FloatArray:
        """The same in a single pass; raises the errors of a call."""
        return self._run(pixels, len(pixels))

    def _images_in_a_pass(self, pixels: FloatArray) -> int:
        if self.one_by_one:
            return 1
        if self._compute.device != "cpu":
            return len(pixels)
        return max(1, _PIXELS_IN_A_PASS // max(1, math.prod(pixels.shape[2:])))

    def _run(self, pixels: FloatArray, together: int) -> FloatArray:
        starts = range(0, len(pixels), together) if len(pixels) else (0,)
        passes = [{self._input: pixels[start : start + together]} for start in starts]
        seconds = _SECONDS * max(len(pixels), 1)
        running, at_once = self._session_for(len(passes))
        try:
            found = run(running, [self._output], passes, seconds, at_once)
        except ModelError:
            raise
        except Exception as error:  # ONNX Runtime raises classes of its own
            raise ShapeError(
                f"the backbone does not take pixels of shape {pixels.shape}: {said(error)}"
            ) from error
        features = [np.asarray(feature, np.float32) for (feature,) in found]
        return features[0] if len(features) == 1 else np.concatenate(features)

    def _session_for(self, passes: int) -> tuple[Session, int]:
        """The session that runs this many passes, and how many of them at the same time."""
        at_once = min(passes, cores())
        if at_once == 1 or self._compute.device != "cpu" or len(self._data) > _KEPT_TWICE:
            return self._session, 1
        with self._loading:
            if self._on_one_core is None:
                self._on_one_core = session(self._data, self._compute, threads=1)
        return self._on_one_core, at_once

    def to_onnx(self) -> bytes:
        """The model that it was made from, unchanged."""
        return self._data


class TorchBackbone:
    """A live PyTorch module in eval mode, on the device it is on.

    Args:
        module: pixels [N, 3, height, width] to the feature map.
        input_size: (height, width), for the ONNX model.
    """

    def __init__(self, module: nn.Module, input_size: tuple[int, int]) -> None:
        self._module, self._input_size = module, input_size

    @torch.no_grad()
    def __call__(self, pixels: FloatArray) -> FloatArray:
        """Pixels [N, 3, height, width] to A, on the CPU."""
        device = next((p.device for p in self._module.parameters()), torch.device("cpu"))
        feature: FloatArray = self._module(torch.from_numpy(pixels).to(device)).cpu().numpy()
        return feature

    def to_onnx(self) -> bytes:
        """The module as torch.onnx writes it.

        Raises:
            ModelError: it cannot be written as ONNX.
        """
        return _export(self._module, *self._input_size)


def _export(backbone: nn.Module, height: int, width: int) -> bytes:
    """A PyTorch backbone as a serialised ONNX model, input "pixels", output "feature".

    Raises:
        ModelError: torch.onnx cannot express it.
    """
    # It warns that torchvision is missing, which affects none of the operators used here.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns about its own deprecations
            program = torch.onnx.export(
                backbone,
                (torch.zeros(2, 3, height, width),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                input_names=["pixels"],
                output_names=["feature"],
                verbose=False,
            )
        if program is None:
            raise ModelError("torch.onnx.export returned nothing")
        proto = program.model_proto
        # The exporter records where each node came from, including paths of this machine.
        for node in (*proto.graph.node, *(n for f in proto.functions for n in f.node)):
            del node.metadata_props[:]
            node.doc_string = ""
        data: bytes = proto.SerializeToString()
        return data
    except ModelError:
        raise
    except Exception as error:  # the exporter raises many classes of its own
        raise ModelError(f"the backbone cannot be written as ONNX: {error}") from error
