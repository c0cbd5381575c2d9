"""A PyTorch module as a functional ATen graph, and where it is cut into backbone and head."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.export import Dim, export

from partlens.explainer.errors import ModelError
from partlens.explainer.importing.attention import attention_written_out
from partlens.explainer.importing.decompositions import DECOMPOSITIONS

_BATCH = 2  # torch.export takes a batch of 0 or 1 for a constant


@dataclass(frozen=True)
class SplitGraph:
    """A module's graph with the node whose result is the feature map.

    Attributes:
        module: the whole graph; its batch axis is dynamic.
        feature: the node that gives A.
        output: the node that gives the embedding.
    """

    module: fx.GraphModule
    feature: fx.Node
    output: fx.Node

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Shape of A without the batch axis."""
        return tuple(int(size) for size in self.feature.meta["val"].shape[1:])

    def backbone(self) -> fx.GraphModule:
        """Pixels [N, 3, height, width] to the feature map."""
        graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
        for node in self.module.graph.nodes:
            if _is_check(node):
                continue
            copies[node] = graph.node_copy(node, lambda before: copies[before])
            if node is self.feature:
                break
        graph.output(copies[self.feature])
        graph.eliminate_dead_code()
        return fx.GraphModule(self.module, graph)

    def head_nodes(self) -> list[fx.Node]:
        """What the embedding needs beside the feature map, in order.

        Raises:
            ModelError: a path from the pixels to the embedding goes round the feature map.
        """
        needed, waiting = set[fx.Node](), [self.output]
        while waiting:
            node = waiting.pop()
            if node is self.feature or node in needed or is_size(node):
                continue
            if node.op == "placeholder":
                raise ModelError(
                    "the embedding depends on the pixels by a way round the feature layer; choose"
                    " a layer through which everything goes"
                )
            needed.add(node)
            waiting.extend(node.all_input_nodes)
        return [node for node in self.module.graph.nodes if node in needed]


def split(module: nn.Module, input_size: tuple[int, int], feature_layer: str = "") -> SplitGraph:
    """Export a module and find its feature layer.

    Args:
        module: in eval mode; pixels [N, 3, height, width] to an embedding [N, D] (or a tuple, a
            mapping or an output object of which it is the first).
        input_size: (height, width).
        feature_layer: dotted name of the submodule whose output is the feature map; "" for the
            last spatial tensor through which every path goes.

    Raises:
        ModelError: the module cannot be exported, or has no such layer.
    """
    try:
        with warnings.catch_warnings(), attention_written_out():
            warnings.simplefilter("ignore")  # the exporter's own, about its future
            pixels = torch.zeros(_BATCH, 3, *input_size)
            program = export(module, (pixels,), dynamic_shapes=({0: Dim.DYNAMIC},))
            graph = program.run_decompositions(dict(DECOMPOSITIONS)).module(check_guards=False)
    except Exception as error:  # whatever the user's own forward() and torch.export raise
        raise ModelError(
            f"the module cannot be exported by torch.export at {input_size}: {error}"
        ) from error
    returned = next(node for node in graph.graph.nodes if node.op == "output").all_input_nodes
    if not returned:
        raise ModelError("the module returns nothing that depends on its input")
    find = _named(graph, feature_layer) if feature_layer else _last_spatial(graph)
    return SplitGraph(graph, find, returned[0])


def module_path(node: fx.Node) -> str:
    """The dotted name of the innermost submodule that a node comes from; "" at the top."""
    paths = _module_paths(node)
    return paths[-1] if paths else ""


def is_size(node: fx.Node) -> bool:
    """True for a node that gives a size, not data."""
    return node.op == "call_function" and isinstance(node.meta.get("val"), int | torch.SymInt)


def _module_paths(node: fx.Node) -> list[str]:
    stack = (node.meta.get("nn_module_stack") or {}).values()
    return [re.sub(r"@\d+", "", path) for path, _ in stack]


def _is_check(node: fx.Node) -> bool:
    return node.op == "call_function" and not node.users and "assert" in str(node.target)


def _is_data(node: fx.Node) -> bool:
    return node.op == "call_function" and isinstance(node.meta.get("val"), torch.Tensor)


def _named(graph: fx.GraphModule, layer: str) -> fx.Node:
    inside: set[fx.Node] = {
        node
        for node in graph.graph.nodes
        if any(path == layer or path.startswith(f"{layer}.") for path in _module_paths(node))
    }
    leaving = [
        node for node in inside if _is_data(node) and any(user not in inside for user in node.users)
    ]
    if len(leaving) == 1:
        return leaving[0]
    if not inside:
        known = dict.fromkeys(
            path
            for node in graph.graph.nodes
            for path in _module_paths(node)
            if path and path[0] != "_"
        )
        raise ModelError(f"there is no layer {layer!r}; layers: {', '.join(known)}")
    raise ModelError(
        f"layer {layer!r} gives {len(leaving)} tensors to the rest of the model; the feature layer"
        " must give one"
    )


def _last_spatial(graph: fx.GraphModule) -> fx.Node:
    spatial: list[fx.Node] = [node for node in _bottlenecks(graph) if _positions(node) > 1]
    if not spatial:
        raise ModelError("no spatial tensor lies on every path; name the feature layer")
    return spatial[-1]


def _bottlenecks(graph: fx.GraphModule) -> Iterator[fx.Node]:
    """Data nodes through which every path from the pixels to the output goes."""
    nodes = list(graph.graph.nodes)
    number = {node: i for i, node in enumerate(nodes)}
    live = set[fx.Node]()
    for node in nodes:
        inputs = live.intersection(node.all_input_nodes)
        if node.op == "placeholder" or (node.op == "call_function" and inputs):
            live.add(node)
    reach = -1
    for node in nodes:
        if node not in live or is_size(node) or not node.users:
            continue
        if reach <= number[node] and _is_data(node):
            yield node
        last_use = [number[u] for u in node.users if not is_size(u) and not _is_check(u)]
        reach = max(reach, *last_use, -1)


def _positions(node: fx.Node) -> int:
    shape = node.meta["val"].shape
    if len(shape) == 4:
        return int(shape[2]) * int(shape[3])
    return int(shape[1]) if len(shape) == 3 else 1
