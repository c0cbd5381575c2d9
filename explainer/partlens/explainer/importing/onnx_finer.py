"""An ONNX file with a finer feature map: strides removed and later windows dilated."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import onnx
from onnx import numpy_helper

from partlens.explainer.backbone import FloatArray
from partlens.explainer.errors import ModelError
from partlens.explainer.importing.onnx_file import require_tensors, source_of
from partlens.explainer.importing.onnx_input import pixel_input
from partlens.explainer.importing.onnx_parts import cut, run_pixels
from partlens.explainer.splitting.strides import (
    Strides,
    Window,
    first_shared,
    of_output,
    require_finer,
    require_same_dimensions,
)

_RESIZED = frozenset(
    {
        "Col2Im",
        "ConvTranspose",
        "DepthToSpace",
        "GridSample",
        "MaxRoiPool",
        "MaxUnpool",
        "Resize",
        "RoiAlign",
        "SpaceToDepth",
        "Upsample",
    }
)
"""Operators after which a map's stride is not known from its windows."""
_POOLS = frozenset({"AveragePool", "LpPool", "MaxPool"})

Pads = tuple[tuple[int, int], tuple[int, int]]
"""(before, after) of rows and of columns."""


@dataclass
class _Walk:
    """What is known of the tensors up to a node."""

    weights: Mapping[str, onnx.TensorProto]
    most: int
    centred: bool
    strides: dict[str, Strides] = field(default_factory=dict)
    pads: dict[str, Pads] = field(default_factory=dict)


def finer_file(
    model: onnx.ModelProto, tensors: tuple[str, str], most: int, pixels: FloatArray
) -> onnx.ModelProto:
    """A model whose feature map holds the one of the original at every nth position.

    Args:
        model: with one input.
        tensors: names of the feature map and the embedding.
        most: pixels between neighbours of its maps, at most.
        pixels: to check the shared positions on, [N, 3, height, width].

    Raises:
        ModelError: a tensor is not there, the map is as fine already, an operator cannot be
            dilated, or the shared positions change.
    """
    require_tensors(model, tensors)
    coarse, embedding = _values(model, tensors, pixels)

    def made(centred: bool) -> tuple[onnx.ModelProto, FloatArray, Strides]:
        finer, strides = rewritten(model, tensors, most, centred=centred)
        try:
            fine, found = _values(finer, tensors, pixels)
        except ModelError as error:
            raise ModelError(
                f"--stride {most}: an operator takes maps of one size only: {error}. Leave --stride"
                " out"
            ) from error
        require_same_dimensions(embedding, found, most)
        return finer, fine, strides

    return first_shared(coarse, made, most)


def _values(
    model: onnx.ModelProto, tensors: tuple[str, str], pixels: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Feature map and embedding."""
    declared, feature = pixel_input(model), source_of(model, tensors[0])
    kinds = {declared.name: declared.kind}
    outputs = list(dict.fromkeys((feature, tensors[1])))
    part = cut(model, declared.name, tensors[1], outputs, kinds)
    found = run_pixels(part, declared, pixels)
    return found[feature], found[tensors[1]]


def rewritten(
    model: onnx.ModelProto, tensors: tuple[str, str], most: int, *, centred: bool
) -> tuple[onnx.ModelProto, Strides]:
    """A model whose maps have at most `most` pixels between neighbours, without a check.

    Args:
        model, tensors, most: as finer_file.
        centred: see Window.finer.

    Returns:
        The model, without declared sizes of outputs, and the pixels between neighbours of the
        original feature map.

    Raises:
        ModelError: the feature map is as fine already, or an operator cannot be dilated.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    walk = _Walk({one.name: one for one in made.graph.initializer}, most, centred)
    walk.strides |= {one.name: (1, 1) for one in made.graph.input if one.name not in walk.weights}
    needed = _needed(made.graph, tensors)
    extra = list[onnx.TensorProto]()
    for node in made.graph.node:
        if node.output[0] in needed:
            extra += _visit(node, walk)
    made.graph.initializer.extend(extra)
    feature = walk.strides.get(tensors[0])
    if feature is None:
        raise ModelError(f"the tensor {tensors[0]!r} does not depend on the pixels")
    require_finer(feature, most, tensors[0])
    del made.graph.value_info[:]
    for output in made.graph.output:
        for size in output.type.tensor_type.shape.dim:
            size.Clear()
    return made, feature


def _needed(graph: onnx.GraphProto, tensors: tuple[str, str]) -> set[str]:
    """The tensors that these ones are computed from."""
    writer = {name: node for node in graph.node for name in node.output}
    needed, waiting = set[str](), list(tensors)
    while waiting:
        name = waiting.pop()
        if name and name not in needed:
            needed.add(name)
            if name in writer:
                needed.update(writer[name].output)
                waiting.extend(writer[name].input)
    return needed


def _visit(node: onnx.NodeProto, walk: _Walk) -> Iterator[onnx.TensorProto]:
    """Change a node where it must change, note its outputs' strides, and give new weights."""
    known = [walk.strides[name] for name in node.input if name in walk.strides]
    if not known:
        return
    strides = max(one[0] for one in known), max(one[1] for one in known)
    if node.op_type in _RESIZED or _is_stepped(node, walk.weights):
        raise ModelError(
            f"--stride: the operator {node.op_type} (at {node.name or node.output[0]}) changes the"
            " size of a map in a way that cannot be followed; leave --stride out"
        )
    if node.op_type == "Pad" and (pads := _pads_of(node, walk.weights)) is not None:
        walk.pads[node.output[0]] = pads
        yield from _spread_padding(node, strides, walk)
    windows = _windows(node, walk.weights)
    if windows is not None:
        _spread(node, windows, strides, walk)
        strides = of_output(strides, windows)
    walk.strides |= dict.fromkeys(node.output, strides)


def _windows(
    node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]
) -> tuple[Window, Window] | None:
    """The window of a two-dimensional convolution or pool, rows before columns; None of others.

    Padding given by auto_pad is left out: it is what keeps the size.
    """
    given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    if node.op_type == "Conv":
        weight = weights.get(node.input[1])
        kernel = given.get("kernel_shape") or (list(weight.dims[2:]) if weight is not None else [])
    elif node.op_type in _POOLS:
        kernel = given["kernel_shape"]
    else:
        return None
    if len(kernel) != 2:
        return None
    strides, dilations = given.get("strides", (1, 1)), given.get("dilations", (1, 1))
    pads = given.get("pads", (0, 0, 0, 0))
    rows, cols = (Window(kernel[a], strides[a], dilations[a], pads[a], pads[a + 2]) for a in (0, 1))
    return rows, cols


def _spread(
    node: onnx.NodeProto, windows: tuple[Window, Window], strides: Strides, walk: _Walk
) -> None:
    """Write the finer window into a node."""
    before = walk.pads.get(node.input[0], ((0, 0), (0, 0)))
    rows, cols = (
        window.finer(stride, walk.most, walk.centred, after - first)
        for window, stride, (first, after) in zip(windows, strides, before, strict=True)
    )
    if (rows, cols) == windows:
        return
    if node.op_type in _POOLS - {"MaxPool"} and any(
        one.dilation > 1 and one.kernel > 1 for one in (rows, cols)
    ):
        raise ModelError(
            f"--stride: {node.op_type} (at {node.name or node.output[0]}) lies behind the stride"
            " that is removed and cannot be dilated. Leave --stride out, or choose an earlier"
            " feature map"
        )
    given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    pads = [rows.before, cols.before, rows.after, cols.after]
    match given.get("auto_pad", b"NOTSET"):
        case b"SAME_UPPER" | b"SAME_LOWER" as place:
            pads = _keeping((rows, cols), upper=place == b"SAME_UPPER")
    if given.get("ceil_mode"):  # a window that lay half outside
        pads[2] += windows[0].stride - rows.stride
        pads[3] += windows[1].stride - cols.stride
    kernels = (rows.kernel, cols.kernel) * 2
    if node.op_type == "MaxPool" and any(pad >= k for pad, k in zip(pads, kernels, strict=True)):
        raise ModelError(
            f"--stride: MaxPool (at {node.name or node.output[0]}) would need padding of"
            f" {max(pads)}, more than its kernel; ONNX Runtime allows less. Choose a larger stride"
        )
    changed = {"strides": [rows.stride, cols.stride], "pads": pads}
    if node.op_type in ("Conv", "MaxPool"):
        changed["dilations"] = [rows.dilation, cols.dilation]
    kept = [one for one in node.attribute if one.name not in {*changed, "auto_pad"}]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(onnx.helper.make_attribute(*one) for one in changed.items())


def _keeping(windows: tuple[Window, Window], *, upper: bool) -> list[int]:
    """Padding with which windows of stride 1 keep the size of a map, as auto_pad has it."""
    totals = [(one.kernel - 1) * one.dilation for one in windows]
    less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return [*less, *more] if upper else [*more, *less]


def _is_stepped(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether a Slice takes every second value or the like, or may do so."""
    if node.op_type != "Slice" or len(node.input) < 5 or not node.input[4]:
        return False
    steps = weights.get(node.input[4])
    return steps is None or bool((numpy_helper.to_array(steps) != 1).any())


def _pads_of(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> Pads | None:
    """What a Pad of a map [N, C, rows, cols] adds; None where that is not a constant."""
    given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    amounts = list(given.get("pads", ()))
    if (not amounts and len(node.input) == 2 + ("" in node.input[2:])) or len(node.input) == 3:
        weight = weights.get(node.input[1])
        amounts = [] if weight is None else numpy_helper.to_array(weight).tolist()
    if len(amounts) != 8:
        return None
    return (amounts[2], amounts[6]), (amounts[3], amounts[7])


def _spread_padding(
    node: onnx.NodeProto, strides: Strides, walk: _Walk
) -> Iterator[onnx.TensorProto]:
    """Scale a padding with the density of the positions; yields the weight that holds it."""
    factors = [max(1, stride // walk.most) for stride in strides]
    if max(factors) == 1:
        return
    by_attribute = [one for one in node.attribute if one.name == "pads"]
    weight = None if by_attribute else walk.weights[node.input[1]]
    amounts = list(by_attribute[0].ints) if weight is None else numpy_helper.to_array(weight)
    spread = [n * f for n, f in zip(amounts, [1, 1, *factors] * 2, strict=True)]
    if weight is None:
        by_attribute[0].ints[:] = spread
        return
    node.input[1] = f"{node.output[0]}/pads"
    yield onnx.helper.make_tensor(node.input[1], onnx.TensorProto.INT64, [8], spread)
