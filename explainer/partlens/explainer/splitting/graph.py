"""A PyTorch module as a functional ATen graph, and where it is cut into backbone and head."""

import operator
import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, export

from partlens.explainer.errors import ModelError
from partlens.explainer.splitting.attention import attention_written_out
from partlens.explainer.splitting.decompositions import DECOMPOSITIONS
from partlens.explainer.splitting.layers import returning, shown
from partlens.explainer.splitting.outputs import chosen, inner_layer, output_names

_BATCH = 2  # torch.export takes a batch of 0 or 1 for a constant
_NOWHERE = "_empty_nn_module_stack_from_metadata_hook"
"""What torch.export calls the place of a node that no module made."""
_FIXED_BATCH = (
    "its forward() turns the number of images into a fixed number, as len(x) or a condition on it"
    " does; use x.shape[0], without a condition. "
)


@dataclass(frozen=True)
class SplitGraph:
    """A module's graph, cut at the node that gives the feature map.

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

    def values(self, pixels: Tensor, nodes: Collection[fx.Node]) -> list[tuple[fx.Node, Tensor]]:
        """What these nodes give for pixels [N, 3, height, width], in the order of computation."""
        recorder = _Recorder(self.module, nodes)
        with torch.no_grad():
            recorder.run(pixels)
        return recorder.recorded

    def data_nodes(self) -> list[fx.Node]:
        """The nodes that give tensors, in the order of computation."""
        return [node for node in self.module.graph.nodes if _is_data(node)]

    def head_nodes(self) -> list[fx.Node]:
        """The nodes that compute the embedding from the feature map, in order.

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


@dataclass(frozen=True)
class ExportedGraph:
    """A whole module as a graph that may be cut anywhere.

    Attributes:
        module: its batch axis is dynamic.
        output: the node that gives the embedding.
    """

    module: fx.GraphModule
    output: fx.Node

    def at(self, layer: str) -> SplitGraph:
        """Cut at the output of the submodule of this dotted name, or at the node of this name.

        Raises:
            ModelError: there is no such layer, or it gives several tensors.
        """
        return SplitGraph(self.module, _named(self.module, layer), self.output)

    def name_of(self, feature: fx.Node) -> str:
        """What `at` calls a node: the submodule whose only output it is, otherwise its own name."""
        for path in reversed(_module_paths(feature)):
            try:
                if path and _named(self.module, path) is feature:
                    return path
            except ModelError:
                continue
        return feature.name

    def spatial(self) -> Iterator[SplitGraph]:
        """Cuts at each tensor [N, C, rows, cols] or [N, T, C] on every path, the last one first."""
        pixels = next(node for node in self.module.graph.nodes if node.op == "placeholder")
        images = str(pixels.meta["val"].shape[0])
        for node in reversed(list(_bottlenecks(self.module))):
            batch, *sizes = node.meta["val"].shape
            fixed = all(isinstance(size, int) for size in sizes)
            if str(batch) == images and fixed and _positions(node) > 1:
                yield SplitGraph(self.module, node, self.output)


class ExportedModule(nn.Module):
    """A graph as a module: pixels [N, 3, height, width] to the embedding [N, D].

    Its layers keep their names, and `export_graph` gives back the graph.
    """

    def __init__(self, graph: ExportedGraph) -> None:
        super().__init__()
        self.graph = graph
        self.module = SplitGraph(graph.module, graph.output, graph.output).backbone()

    def forward(self, pixels: Tensor) -> Tensor:
        """The embeddings."""
        embedding: Tensor = self.module(pixels)
        return embedding


def export_graph(
    module: nn.Module, input_size: tuple[int, int], embedding: str = "", layer: str = ""
) -> ExportedGraph:
    """Export a module by torch.export, unless it is exported already.

    Args:
        module: in eval mode; pixels [N, 3, height, width] to an embedding [N, D], or to several
            tensors in tuples, mappings or output objects.
        input_size: (height, width).
        embedding: which of several tensors is the embedding (see outputs.chosen), or the dotted
            name of the submodule whose output it is.
        layer: dotted name of a submodule that the graph must show even if it computes nothing.

    Raises:
        ModelError: the module cannot be exported, or its embedding is not clear.
    """
    if isinstance(module, ExportedModule):
        return module.graph
    pixels = torch.zeros(_BATCH, 3, *input_size)
    try:
        inner = inner_layer(module, embedding, pixels)
        with (
            warnings.catch_warnings(),
            attention_written_out(),
            returning(module, inner),
            shown(module, layer),
        ):
            warnings.simplefilter("ignore")  # the exporter's own, about its future
            program = export(module, (pixels,), dynamic_shapes=({0: Dim.DYNAMIC},))
            names = output_names(program.call_spec.out_spec)
            graph = program.run_decompositions(dict(DECOMPOSITIONS)).module(check_guards=False)
    except ModelError:
        raise
    except Exception as error:  # whatever the user's own forward() and torch.export raise
        fixed = f"constant ({_BATCH})" in str(error)
        raise ModelError(
            f"the module cannot be exported by torch.export at {input_size}:"
            f" {_FIXED_BATCH if fixed else ''}{error}"
        ) from error
    (returned,) = next(node for node in graph.graph.nodes if node.op == "output").args
    nodes = {
        name: node
        for name, node in zip(names, returned, strict=True)
        if isinstance(node, fx.Node) and _is_data(node)
    }
    if not nodes:
        raise ModelError("the module returns nothing that depends on its input")
    shapes = {name: tuple(node.meta["val"].shape) for name, node in nodes.items()}
    return ExportedGraph(graph, nodes[chosen(shapes, "" if inner else embedding)])


def operator_name(node: fx.Node) -> str:
    """What a node computes and the submodule that it comes from, as "aten.mean.dim (at head)"."""
    made = node
    while made.target is operator.getitem:  # one of several results
        made = made.all_input_nodes[0]
    return f"{made.target} (at {module_path(made) or 'the top of the module'})"


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps what some of its nodes give."""

    def __init__(self, module: fx.GraphModule, nodes: Collection[fx.Node]) -> None:
        super().__init__(module)
        self.nodes, self.recorded = set(nodes), list[tuple[fx.Node, Tensor]]()

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n in self.nodes and isinstance(value, Tensor):
            self.recorded.append((n, value))
        return value


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
    return node.op == "call_function" and isinstance(node.meta.get("val"), Tensor)


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
        for node in graph.graph.nodes:
            if isinstance(node, fx.Node) and node.name == layer and _is_data(node):
                return node
        known = dict.fromkeys(
            path
            for node in graph.graph.nodes
            for path in _module_paths(node)
            if path and path != _NOWHERE
        )
        raise ModelError(f"there is no layer {layer!r}; layers: {', '.join(known)}")
    raise ModelError(
        f"layer {layer!r} gives {len(leaving)} tensors to the rest of the model; the feature layer"
        " must give one"
    )


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
