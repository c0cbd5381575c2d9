"""An exported module with a finer feature map: strides removed and later windows dilated."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch._dispatch.python import enable_python_dispatcher
from torch.fx.passes.fake_tensor_prop import FakeTensorProp

from partlens.explainer.backbone import FloatArray
from partlens.explainer.errors import ModelError
from partlens.explainer.splitting.graph import ExportedGraph, ExportedModule, SplitGraph
from partlens.explainer.splitting.strides import (
    Strides,
    Window,
    first_shared,
    of_output,
    require_finer,
    require_same_dimensions,
)

_CONVOLUTIONS = frozenset(
    {"aten.conv2d.default", "aten.conv2d.padding", "aten.convolution.default"}
)
_MAXIMA = frozenset({"aten.max_pool2d.default", "aten.max_pool2d_with_indices.default"})
_MEANS = frozenset({"aten.avg_pool2d.default"})
_PADS = frozenset({"aten.pad.default", "aten.constant_pad_nd.default"})
_RESIZED = ("upsample", "transposed", "pixel_shuffle", "pixel_unshuffle", "grid_sampler", "fold")


class _Walk:
    """What is known of the nodes up to one."""

    def __init__(self, most: int, centred: bool) -> None:
        self.most, self.centred = most, centred
        self.strides = dict[fx.Node, Strides]()

    def visit(self, node: fx.Node) -> None:
        """Change a node where it must change, and note the stride of what it gives."""
        known = [self.strides[one] for one in node.all_input_nodes if one in self.strides]
        if node.op == "placeholder":
            self.strides[node] = (1, 1)
            return
        if not known:
            return
        strides = max(one[0] for one in known), max(one[1] for one in known)
        name = str(node.target)
        stepped = name.startswith("aten.slice") and _arguments(node).get("step", 1) != 1
        if node.op == "call_function" and (stepped or any(word in name for word in _RESIZED)):
            raise ModelError(
                f"--stride: the operator {name} changes the size of a map in a way that cannot be"
                " followed; leave --stride out"
            )
        if name in _PADS:
            self._spread_padding(node, strides)
        elif name in _CONVOLUTIONS | _MAXIMA | _MEANS:
            strides = self._spread(node, name, strides)
        self.strides[node] = strides

    def _spread(self, node: fx.Node, name: str, strides: Strides) -> Strides:
        given = _arguments(node)
        windows = _windows(name, given)
        pads = _pads_before(node)
        finer = [
            window.finer(stride, self.most, self.centred, after - before)
            for window, stride, (before, after) in zip(windows, strides, pads, strict=True)
        ]
        if tuple(finer) != windows:
            if name in _MEANS and any(one.dilation > 1 and one.kernel > 1 for one in finer):
                raise ModelError(
                    f"--stride: {name} lies behind the stride that is removed and cannot be"
                    " dilated. Leave --stride out, or choose an earlier feature map"
                )
            self._write(node, name, given, finer, windows)
        return of_output(strides, windows)

    def _write(
        self,
        node: fx.Node,
        name: str,
        given: Mapping[str, Any],
        finer: Sequence[Window],
        old: Sequence[Window],
    ) -> None:
        """Set the finer windows as arguments; uneven padding needs an operator of its own."""
        # A maximum's own padding may not be longer than half of its kernel before it is dilated.
        own = name not in _MAXIMA
        even = [min(one.before, one.after) if own else 0 for one in finer]
        rest = [(one.before - p, one.after - p) for one, p in zip(finer, even, strict=True)]
        if given.get("ceil_mode"):  # a window that lay half outside
            rest = [
                (before, after + was.stride - now.stride)
                for (before, after), was, now in zip(rest, old, finer, strict=True)
            ]
        changed: dict[str, Any] = {
            "stride": [one.stride for one in finer],
            "padding": even,
        }
        if name not in _MEANS:
            changed["dilation"] = [one.dilation for one in finer]
        x = given["self"] if "self" in given else given["input"]
        if any(map(any, rest)):
            graph = node.graph
            with graph.inserting_before(node):
                value = float("-inf") if name in _MAXIMA else 0.0
                (top, bottom), (left, right) = rest
                x = graph.call_function(
                    torch.ops.aten.constant_pad_nd.default,
                    (x, [left, right, top, bottom], value),
                )
                x.meta.update({k: v for k, v in node.meta.items() if k == "nn_module_stack"})
        if name == "aten.conv2d.padding":
            node.target = torch.ops.aten.conv2d.default
        first = "self" if "self" in given else "input"
        node.args, node.kwargs = (), dict(given) | changed | {first: x}

    def _spread_padding(self, node: fx.Node, strides: Strides) -> None:
        """Scale a padding with the density of the positions."""
        given = _arguments(node)
        factors = [max(1, stride // self.most) for stride in reversed(strides)]  # columns first
        spread: list[int] = list(given["pad"])
        for index in range(min(4, len(spread))):
            spread[index] *= factors[index // 2]
        if spread != list(given["pad"]):
            node.args, node.kwargs = (), {**given, "pad": spread}


def finer_module(graph: ExportedGraph, layer: str, most: int, pixels: FloatArray) -> ExportedModule:
    """A module whose feature map holds the one of the original at every nth position.

    Args:
        graph: of the original, whose batch axis is dynamic.
        layer: its feature layer, as ExportedGraph.at has it.
        most: pixels between neighbours of its maps, at most.
        pixels: to check the shared positions on, [N, 3, height, width].

    Raises:
        ModelError: the map is as fine already, an operator cannot be dilated, or the shared
            positions change.
    """
    cut = graph.at(layer)
    coarse, embedding = _values(cut, pixels)

    def made(centred: bool) -> tuple[ExportedModule, FloatArray, Strides]:
        finer, strides = _finer_cut(cut, most, centred)
        require_finer(strides, most, layer)
        _infer_shapes(finer.module, most)
        fine, found = _values(finer, pixels)
        require_same_dimensions(embedding, found, most)
        return ExportedModule(ExportedGraph(finer.module, finer.output)), fine, strides

    return first_shared(coarse, made, most)


def _values(cut: SplitGraph, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Feature map and embedding."""
    found = dict(cut.values(torch.from_numpy(pixels), [cut.feature, cut.output]))
    return found[cut.feature].numpy(), found[cut.output].numpy()


def _finer_cut(cut: SplitGraph, most: int, centred: bool) -> tuple[SplitGraph, Strides]:
    """A copy of a cut graph with finer maps, not yet checked, and the strides of the old map."""
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    walk = _Walk(most, centred)
    for node in cut.module.graph.nodes:
        if node.op == "output":
            break
        copies[node] = graph.node_copy(node, copies.__getitem__)
        walk.visit(copies[node])
    graph.output(copies[cut.output])
    module = fx.GraphModule(cut.module, graph)
    feature = copies[cut.feature]
    return SplitGraph(module, feature, copies[cut.output]), walk.strides[feature]


def _infer_shapes(module: fx.GraphModule, most: int) -> None:
    """Note what each node gives, as torch.export does.

    Raises:
        ModelError: an operator does not take a finer map.
    """
    (pixels,) = (one.meta["val"] for one in module.graph.nodes if one.op == "placeholder")
    try:
        # Without the dispatcher, padding would fix the number of images.
        with pixels.fake_mode as mode, enable_python_dispatcher():
            mode.allow_non_fake_inputs = True
            FakeTensorProp(module, mode).propagate_dont_convert_inputs(pixels)
    except Exception as error:  # whatever an operator raises that takes maps of one size only
        raise ModelError(
            f"--stride {most}: a layer takes maps of one size only: {str(error).splitlines()[0]}."
            " Leave --stride out"
        ) from error


def _arguments(node: fx.Node) -> dict[str, Any]:
    """The arguments of an ATen operator by name, defaults included."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    named = {one.name: one.default_value for one in schema if one.has_default_value()}
    named.update(zip((one.name for one in schema), node.args, strict=False))
    return named | dict(node.kwargs)


def _windows(name: str, given: Mapping[str, Any]) -> tuple[Window, Window]:
    """Rows before columns."""
    if name in _CONVOLUTIONS:
        kernel = list(given["weight"].meta["val"].shape[2:])
        stride = _two(given["stride"])
    else:
        kernel = _two(given["kernel_size"])
        stride = _two(given["stride"]) if given["stride"] else kernel
    dilation = _two(given.get("dilation", 1))
    padding = given["padding"]
    pads = [(0, 0), (0, 0)]
    if padding == "same":  # only of stride 1; what is left over comes after
        totals = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        pads = [(total // 2, total - total // 2) for total in totals]
    elif padding != "valid":
        pads = [(one, one) for one in _two(padding)]
    rows, cols = (Window(kernel[a], stride[a], dilation[a], *pads[a]) for a in (0, 1))
    return rows, cols


def _pads_before(node: fx.Node) -> list[tuple[int, int]]:
    """(before, after) of rows and of columns that a Pad in front of a window adds."""
    source = node.all_input_nodes[0]
    if source.op != "call_function" or str(source.target) not in _PADS:
        return [(0, 0), (0, 0)]
    left, right, top, bottom = ([*_arguments(source)["pad"], 0, 0, 0, 0])[:4]
    return [(top, bottom), (left, right)]


def _two(value: int | Sequence[int]) -> list[int]:
    numbers = [value] if isinstance(value, int) else list(value)
    return numbers * 2 if len(numbers) == 1 else numbers
