"""A network before it is cut, from each kind of source: what can be measured at any layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from partlens.explainer.head.lowering.torch.lower import lower
from partlens.explainer.head.operators import Head
from partlens.explainer.importing.fidelity import Imported, Original
from partlens.explainer.importing.onnx_cuts import spatial_tensors
from partlens.explainer.importing.onnx_file import from_onnx_file, source_of, split_file
from partlens.explainer.importing.onnx_finer import finer_file
from partlens.explainer.importing.onnx_input import original as original_file
from partlens.explainer.importing.onnx_input import pixel_input
from partlens.explainer.importing.torch_module import original, with_onnx_backbone
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.assembly import sample_pixels
from partlens.explainer.splitting.finer_graph import finer_module
from partlens.explainer.splitting.graph import ExportedModule, export_graph, module_path

Images = Sequence[NDArray[np.uint8]]
_FEW = 2
"""Images to find shapes with; one could be mistaken for an axis that broadcasts."""


@dataclass(frozen=True)
class Layer:
    """Where a network may be cut.

    Attributes:
        name: what --feature-layer or --feature-tensor calls it.
        shape: of its output for one image, [C, rows, cols] or tokens [T, C].
    """

    name: str
    shape: tuple[int, ...]


class Network(Protocol):
    """A network, with what is known of it whatever its feature map is."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How it wants its pixels."""
        ...

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each field of its preprocessing comes from, as "--height"."""
        ...

    @property
    def preferred(self) -> str:
        """The layer to cut it at if none is named; "" if it must be chosen."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What was chosen for the user, in sentences."""
        ...

    def layers(self) -> Sequence[Layer]:
        """Tensors of the right shape that every path leads through, the last one first."""
        ...

    def head(self, layer: str) -> Head:
        """The head after a layer, not yet decomposed."""
        ...

    def finer(self, layer: str, stride: int) -> "Network":
        """The same with a finer map at this layer; see splitting.strides."""
        ...

    def model(self, layer: str, images: Images) -> MetricModel:
        """The network cut at a layer, decomposed and checked on images."""
        ...

    def imported(self, layer: str, images: Images) -> Imported:
        """The same, ready to be saved, and the network that it was made of."""
        ...

    @property
    def original(self) -> Original:
        """The network itself."""
        ...


@dataclass(frozen=True)
class Described:
    """What a model folder says of a network: see MetricModel.from_module."""

    name: str
    licence: str
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class TorchNetwork:
    """A PyTorch module.

    Attributes:
        module: in eval mode.
        embedding: which of several outputs is the embedding, or the layer that gives it.
        described: what its model folder will say.
        preprocessing, origins, preferred, notes: see Network.
        named: the layer that the user named; "" if none.
    """

    module: nn.Module
    embedding: str
    described: Described
    preprocessing: Preprocessing
    origins: Mapping[str, str]
    preferred: str = ""
    notes: Sequence[str] = field(default=())
    named: str = ""

    @cached_property
    def _exported(self) -> ExportedModule:
        size = (self.preprocessing.height, self.preprocessing.width)
        return ExportedModule(export_graph(self.module, size, self.embedding, self.named))

    def layers(self) -> Sequence[Layer]:
        """See Network."""
        graph = self._exported.graph
        return [Layer(graph.name_of(cut.feature), cut.feature_shape) for cut in graph.spatial()]

    def head(self, layer: str) -> Head:
        """See Network."""
        cut = self._exported.graph.at(layer)
        return lower(cut.head_nodes(), cut.feature, cut.output, cut.module, module_path, ())

    def finer(self, layer: str, stride: int) -> "TorchNetwork":
        """See Network."""
        pixels = sample_pixels(self.preprocessing)
        made = finer_module(self._exported.graph, layer, stride, pixels)
        return replace(self, module=made, embedding="")

    def model(self, layer: str, images: Images) -> MetricModel:
        """See Network."""
        return self._cut(self._exported, "", layer, images)

    def imported(self, layer: str, images: Images) -> Imported:
        """See Network."""
        live = self._cut(self.module, self.embedding, layer, images)
        return Imported(with_onnx_backbone(live, images), self.original)

    @property
    def original(self) -> Original:
        """See Network."""
        return original(self.module, self.embedding)

    def _cut(self, module: nn.Module, embedding: str, layer: str, images: Images) -> MetricModel:
        return MetricModel.from_module(
            module,
            feature_layer=layer,
            embedding=embedding,
            preprocessing=self.preprocessing,
            name=self.described.name,
            licence=self.described.licence,
            images=images,
            extras=self.described.extras,
        )


@dataclass(frozen=True)
class OnnxNetwork:
    """An ONNX model that `onnx_file.read` gave.

    Attributes:
        file: the model.
        embedding: the tensor that is the embedding.
        other_size: as from_onnx_file.
        described: what its model folder will say.
        preprocessing, origins, preferred, notes: see Network.
    """

    file: onnx.ModelProto
    embedding: str
    other_size: bool
    described: Described
    preprocessing: Preprocessing
    origins: Mapping[str, str]
    preferred: str = ""
    notes: Sequence[str] = field(default=())

    def layers(self) -> Sequence[Layer]:
        """See Network."""
        pixels = sample_pixels(self.preprocessing)[:_FEW]
        return [Layer(*one) for one in spatial_tensors(self.file, self.embedding, pixels)]

    def head(self, layer: str) -> Head:
        """See Network."""
        pixels = sample_pixels(self.preprocessing)[:_FEW]
        return split_file(self.file, (source_of(self.file, layer), self.embedding), pixels).head

    def finer(self, layer: str, stride: int) -> "OnnxNetwork":
        """See Network."""
        pixels = sample_pixels(self.preprocessing)
        made = finer_file(self.file, (layer, self.embedding), stride, pixels)
        return replace(self, file=made)

    def model(self, layer: str, images: Images) -> MetricModel:
        """See Network."""
        return from_onnx_file(
            self.file,
            feature_tensor=layer,
            embedding=self.embedding,
            preprocessing=self.preprocessing,
            name=self.described.name,
            licence=self.described.licence,
            images=images,
            extras=self.described.extras,
            other_size=self.other_size,
        )

    def imported(self, layer: str, images: Images) -> Imported:
        """See Network."""
        return Imported(self.model(layer, images), self.original)

    @property
    def original(self) -> Original:
        """See Network."""
        declared = pixel_input(self.file)
        return original_file(self.file, declared, self.embedding, self.other_size)
