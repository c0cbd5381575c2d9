"""Weights that an ONNX file keeps in other files: read from its own folder, within bounds.

torch.onnx.export writes them so by default, as model.onnx.data beside model.onnx. The names of
these files, and the places in them, come from a file that may be untrusted.
"""

import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import onnx

from partlens.common.files import read_below
from partlens.explainer.errors import ModelFileError
from partlens.explainer.onnx_graphs import Found, tensors

_MOST_DIGITS = 19
"""Of an offset or a length; more than any file has bytes."""


def load_weights(model: onnx.ModelProto, path: Path, most: int) -> None:
    """Move the weights that are in other files into the model.

    Args:
        path: the file that the model was read from; the others are below its folder.
        most: bytes of all these weights together.

    Raises:
        ModelFileError: a file is missing, lies elsewhere or is too short, or a weight has another
            length than its shape needs.
    """
    files, left = dict[str, bytes](), most
    for found in tensors(model):
        tensor = found.tensor
        if tensor.data_location != onnx.TensorProto.EXTERNAL and not tensor.external_data:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        try:
            if location not in files:
                files[location] = _read(path.parent, location, most)
            tensor.raw_data = _slice(tensor, entries, files[location], left)
        except (OSError, ValueError) as error:
            raise ModelFileError(
                f"{path.name}: the weight {tensor.name!r} ({found.place}) cannot be read from"
                f" {location[:200]!r}: {error}"
            ) from error
        left -= len(tensor.raw_data)
        _settle(found)


def _settle(found: Found) -> None:
    found.tensor.data_location = onnx.TensorProto.DEFAULT
    del found.tensor.external_data[:]


def _read(folder: Path, location: str, most: int) -> bytes:
    """A file below a folder."""
    place = PurePosixPath(location)
    if not place.parts or place.is_absolute() or ".." in place.parts or "\0" in location:
        raise ValueError("weights must be below the folder of the ONNX file, at a relative path")
    try:
        data = read_below(folder, place, most + 1)
    except PermissionError as error:
        raise ValueError(
            f"{error.strerror}. A link that leads out of the folder is not followed: copy the file"
            " itself there (cp -L)"
        ) from error
    if len(data) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return data


def _slice(tensor: onnx.TensorProto, entries: Mapping[str, str], data: bytes, left: int) -> bytes:
    """The bytes of one tensor."""
    needed = _bytes(tensor)
    offset = _number(entries, "offset", 0)
    length = _number(entries, "length", needed)
    if length != needed:
        raise ValueError(f"it has a length of {length} bytes; its shape needs {needed}")
    if offset + length > len(data):
        raise ValueError(
            f"bytes {offset} to {offset + length} are needed, the file has {len(data)}"
        )
    if length > left:
        raise ValueError("all weights together are larger than an ONNX model can be, 2 GiB")
    return data[offset : offset + length]


def _bytes(tensor: onnx.TensorProto) -> int:
    """How many bytes a tensor of this shape and type has."""
    if tensor.data_type == onnx.TensorProto.STRING or any(size < 0 for size in tensor.dims):
        raise ValueError("it is no array of numbers")
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    name = onnx.TensorProto.DataType.Name(tensor.data_type)
    if name.endswith(("INT2", "INT4")) or name.startswith("FLOAT4"):
        raise ValueError(f"its numbers are {name}, several to a byte; export it in float32")
    return math.prod(tensor.dims) * kind.itemsize


def _number(entries: Mapping[str, str], key: str, usual: int) -> int:
    text = entries.get(key, str(usual))
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise ValueError(f"{key} {text[:50]!r} is not a number of bytes")
    return int(text)
