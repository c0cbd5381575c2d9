"""What an ONNX file declares its pixels to be, and how float pixels become that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from partlens.explainer.backbone import FloatArray
from partlens.explainer.errors import ModelError
from partlens.explainer.importing.fidelity import Original
from partlens.explainer.onnx_runtime import said, session
from partlens.explainer.preprocessing import Preprocessing

_KINDS: Mapping[int, np.dtype[Any]] = {
    onnx.TensorProto.FLOAT: np.dtype(np.float32),
    onnx.TensorProto.UINT8: np.dtype(np.uint8),
}
_USUAL = 224
_RAW = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Mean and std that leave bytes unchanged."""


@dataclass(frozen=True)
class PixelInput:
    """The one input of an ONNX file.

    Attributes:
        name: of the tensor.
        kind: its element type, of onnx.TensorProto: FLOAT or UINT8.
        channels_last: [N, height, width, 3] instead of [N, 3, height, width].
        images, height, width: None where the file leaves them open.
    """

    name: str
    kind: int
    channels_last: bool
    images: int | None
    height: int | None
    width: int | None

    @property
    def raw(self) -> bool:
        """Whether it takes bytes, 0..255."""
        return self.kind == onnx.TensorProto.UINT8

    @property
    def one_by_one(self) -> bool:
        """Whether the file was made for one image at a time, which its layers may count on."""
        return self.images == 1

    def pieces(self, arrays: FloatArray) -> list[FloatArray]:
        """What holds something of each of N images, as the file takes it: whole, or one by one."""
        if not self.one_by_one:
            return [arrays]
        return [arrays[i : i + 1] for i in range(len(arrays))]

    def preprocessing(self) -> Preprocessing:
        """The declared size, 224 where it is open; bytes unchanged, or 0..1 for floats."""
        size = self.height or _USUAL, self.width or _USUAL
        return Preprocessing(*size, mean=_RAW[0], std=_RAW[1]) if self.raw else Preprocessing(*size)

    def require(self, preprocessing: Preprocessing, other_size: bool) -> None:
        """Refuse preprocessing that contradicts the file.

        Raises:
            ModelError: another size, unless other_size, or bytes that are not left unchanged.
        """
        given = preprocessing.height, preprocessing.width
        declared = self.height or given[0], self.width or given[1]
        if given != declared and not other_size:
            raise ModelError(
                f"the ONNX file declares an input of height {declared[0]} and width {declared[1]};"
                f" got {given[0]} and {given[1]}. Leave out --height and --width, or add"
                " --other-size to run its layers at a size that it was not made for"
            )
        if self.raw and (preprocessing.mean, preprocessing.std) != _RAW:
            raise ModelError(
                "the ONNX file takes uint8 pixels, 0..255, and normalises them itself; got mean"
                f" {preprocessing.mean} and std {preprocessing.std}. Leave out --mean and --std (in"
                " Python: mean 0, std 1)"
            )

    def given(self, pixels: FloatArray) -> NDArray[Any]:
        """Pixels [N, 3, height, width] as the file takes them."""
        moved = pixels.transpose(0, 2, 3, 1) if self.channels_last else pixels
        return np.ascontiguousarray(moved, _KINDS[self.kind])

    def adapted(self, part: onnx.ModelProto) -> onnx.ModelProto:
        """A part that begins at this input, taking float pixels [N, 3, height, width] instead."""
        if not self.raw and not self.channels_last:
            return part
        graph, before = part.graph, f"{self.name}/float"
        steps = list[onnx.NodeProto]()
        if self.channels_last:
            after = f"{self.name}/moved" if self.raw else self.name
            steps.append(onnx.helper.make_node("Transpose", [before], [after], perm=[0, 2, 3, 1]))
        if self.raw:
            last = steps[-1].output[0] if steps else before
            steps.append(onnx.helper.make_node("Cast", [last], [self.name], to=self.kind))
        nodes = [*steps, *graph.node]
        del graph.node[:], graph.input[:]
        graph.node.extend(nodes)
        pixels = onnx.helper.make_tensor_value_info(before, onnx.TensorProto.FLOAT, None)
        graph.input.append(pixels)
        return part


def pixel_input(model: onnx.ModelProto) -> PixelInput:
    """The declared input of a model.

    Raises:
        ModelError: several inputs, or one that takes no RGB images of float32 or uint8.
    """
    weights = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in weights]
    if len(inputs) != 1:
        names = [one.name for one in inputs]
        raise ModelError(f"the model has the inputs {names}; one is needed, the pixels")
    (declared,) = inputs
    tensor = declared.type.tensor_type
    if tensor.elem_type not in _KINDS:
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        raise ModelError(
            f"the input {declared.name!r} takes {kind}; allowed are float (float32) and uint8:"
            " export the model with one of them"
        )
    if not tensor.HasField("shape"):
        return PixelInput(declared.name, tensor.elem_type, False, None, None, None)
    sizes = [one.dim_value or None for one in tensor.shape.dim]
    last = len(sizes) == 4 and sizes[3] == 3 and sizes[1] != 3
    if len(sizes) != 4 or (not last and sizes[1] not in (3, None)):
        shape = ", ".join("?" if size is None else str(size) for size in sizes)
        raise ModelError(
            f"the input {declared.name!r} is declared as [{shape}]; RGB images are needed,"
            " [N, 3, height, width] or [N, height, width, 3]"
        )
    height, width = sizes[1:3] if last else sizes[2:4]
    return PixelInput(declared.name, tensor.elem_type, last, sizes[0], height, width)


def original(
    model: onnx.ModelProto, declared: PixelInput, embedding: str, other_size: bool
) -> Original:
    """The file itself, run image by image through its own input.

    Args:
        embedding: the tensor that is the embedding, float32.
        other_size: leave the declared height and width open.

    Raises:
        ModelError: ONNX Runtime cannot run it.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    if embedding not in {one.name for one in whole.graph.output}:
        whole.graph.output.append(
            onnx.helper.make_tensor_value_info(embedding, onnx.TensorProto.FLOAT, None)
        )
    if other_size:
        _open_sizes(whole, declared)
    try:
        running = session(whole.SerializeToString())
    except Exception as error:  # ONNX Runtime's own classes
        raise ModelError(f"the ONNX file cannot be run: {said(error)}") from error

    def embed(pixels: FloatArray) -> FloatArray:
        rows = list[FloatArray]()
        for i in range(len(pixels)):
            # A file of a fixed batch gets that many copies of one image.
            copies = np.repeat(pixels[i : i + 1], declared.images or 1, 0)
            try:
                (found,) = running.run([embedding], {declared.name: declared.given(copies)})
            except Exception as error:  # ONNX Runtime's own classes
                raise ModelError(
                    f"the ONNX file does not run on pixels of shape {list(copies.shape)}:"
                    f" {said(error)}"
                ) from error
            rows.append(np.asarray(found, np.float32)[:1])
        return np.concatenate(rows)

    return embed


def _open_sizes(model: onnx.ModelProto, declared: PixelInput) -> None:
    (one,) = (one for one in model.graph.input if one.name == declared.name)
    for axis, size in enumerate(one.type.tensor_type.shape.dim):
        if axis in ((1, 2) if declared.channels_last else (2, 3)):
            size.dim_param = f"open_{axis}"
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
