"""One walk over all that an ONNX model holds: every graph, subgraph, function and tensor.

ONNX Runtime opens files that a model names as the home of its tensors, relative to the working
folder, wherever in the model they stand. So every model is walked before it is run.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import onnx

from partlens.explainer.errors import ModelFileError

_MOST_NODES = 1_000_000
"""Once functions are written out; networks have up to some ten thousand."""
_MOST_SPARSE = 2**28
"""Numbers of a sparse tensor, which is written out to run it."""

Function = tuple[str, str, str]
"""Domain, name and overload."""


@dataclass(frozen=True)
class Found:
    """A tensor and where it stands.

    Attributes:
        tensor: with its content or the name of the file that holds it.
        place: "initializer 'w'", "a Constant node at 'out'", for messages.
    """

    tensor: onnx.TensorProto
    place: str


def parsed(data: bytes) -> onnx.ModelProto:
    """A serialised model, as ONNX Runtime will read it.

    Raises:
        ModelFileError: it is no ONNX model.
    """
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError, whose home depends on its backend
        raise ModelFileError(f"the backbone is no ONNX model: {error}") from error


def require_self_contained(model: onnx.ModelProto, what: str) -> None:
    """Refuse a model that reads files, or that grows out of proportion when it is run.

    Args:
        what: the model's name, to begin messages with.

    Raises:
        ModelFileError: it does.
    """
    for found in tensors(model):
        if found.tensor.data_location == onnx.TensorProto.EXTERNAL or found.tensor.external_data:
            raise ModelFileError(
                f"{what} keeps the weight {found.tensor.name!r} ({found.place}) in another file;"
                " save the model in one (torch.onnx.export(..., external_data=False), or"
                " onnx.save(onnx.load(old), new))"
            )
    for sparse in _sparse(model):
        numbers = 1
        for size in sparse.dims:
            numbers *= size
        if not 0 <= numbers <= _MOST_SPARSE or any(size < 0 for size in sparse.dims):
            raise ModelFileError(
                f"{what} has a sparse tensor of shape {list(sparse.dims)}; at most"
                f" {_MOST_SPARSE:,} numbers are allowed"
            )
    _require_finite_calls(model, what)


def tensors(model: onnx.ModelProto) -> Iterator[Found]:
    """Every tensor of a model, those of sparse tensors, subgraphs and functions included."""
    for graph in _graphs(model):
        for tensor in graph.initializer:
            yield Found(tensor, "an initializer")
        for sparse in graph.sparse_initializer:
            yield from _of_sparse(sparse, "a sparse initializer")
    for attribute, place in _attributes(model):
        if attribute.HasField("t"):
            yield Found(attribute.t, place)
        for tensor in attribute.tensors:
            yield Found(tensor, place)
        for sparse in _sparse_of(attribute):
            yield from _of_sparse(sparse, place)


def nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node of a model, those of subgraphs and functions included."""
    for graph in _graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """Every graph of a model, those in its functions included."""
    roots = [model.graph]
    for training in model.training_info:
        roots += [training.initialization, training.algorithm]
    for function in model.functions:
        roots += [graph for one in function.attribute_proto for graph in _graphs_of(one)]
        roots += _graphs_in(function.node)
    return _nested(roots)


def _nested(roots: Iterable[onnx.GraphProto]) -> Iterator[onnx.GraphProto]:
    """Graphs and those inside them; protobuf bounds how deep they are nested."""
    waiting = list(roots)
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting += _graphs_in(graph.node)


def _graphs_in(nodes: Iterable[onnx.NodeProto]) -> list[onnx.GraphProto]:
    return [graph for node in nodes for one in node.attribute for graph in _graphs_of(one)]


def _graphs_of(attribute: onnx.AttributeProto) -> list[onnx.GraphProto]:
    return [*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs]


def _attributes(model: onnx.ModelProto) -> Iterator[tuple[onnx.AttributeProto, str]]:
    for node in nodes(model):
        for attribute in node.attribute:
            yield attribute, f"a {node.op_type} node at {next(iter(node.output), node.name)!r}"
    for function in model.functions:
        for attribute in function.attribute_proto:
            yield attribute, f"the function {function.name!r}"


def _sparse(model: onnx.ModelProto) -> Iterator[onnx.SparseTensorProto]:
    for graph in _graphs(model):
        yield from graph.sparse_initializer
    for attribute, _ in _attributes(model):
        yield from _sparse_of(attribute)


def _sparse_of(attribute: onnx.AttributeProto) -> list[onnx.SparseTensorProto]:
    one = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else ()
    return [*one, *attribute.sparse_tensors]


def _of_sparse(sparse: onnx.SparseTensorProto, place: str) -> Iterator[Found]:
    yield Found(sparse.values, place)
    yield Found(sparse.indices, place)


def _require_finite_calls(model: onnx.ModelProto, what: str) -> None:
    """Functions may call each other, but not themselves, nor double at each of many steps."""
    bodies: dict[Function, Counter[Function]] = {
        (one.domain, one.name, one.overload): _calls(one.node) for one in model.functions
    }
    sizes = dict[Function, int]()
    for function in bodies:
        _measure(function, bodies, sizes, what)
    total = _size(_calls(model.graph.node), sizes)
    if total > _MOST_NODES:
        raise ModelFileError(
            f"{what} has more than {_MOST_NODES:,} nodes once its functions are written out"
        )


def _measure(
    first: Function,
    bodies: Mapping[Function, Counter[Function]],
    sizes: dict[Function, int],
    what: str,
) -> None:
    """Add to `sizes` how many nodes a function and those that it calls come to."""
    entered, waiting = set[Function](), [first]
    while waiting:
        function = waiting[-1]
        missing = [one for one in bodies[function] if one in bodies and one not in sizes]
        if function in sizes or not missing:
            sizes.setdefault(function, _size(bodies[function], sizes))
            entered.discard(function)
            waiting.pop()
            continue
        entered.add(function)
        if not entered.isdisjoint(missing):
            raise ModelFileError(f"{what} has a function {function[1]!r} that calls itself")
        waiting += missing


def _size(calls: Counter[Function], sizes: Mapping[Function, int]) -> int:
    total = sum(count * (1 + sizes.get(called, 0)) for called, count in calls.items())
    return min(total, _MOST_NODES + 1)


def _calls(body: Iterable[onnx.NodeProto]) -> Counter[Function]:
    """How often each operator or function is called, in subgraphs too."""
    found = Counter((node.domain, node.op_type, node.overload) for node in body)
    for graph in _nested(_graphs_in(body)):
        found.update((node.domain, node.op_type, node.overload) for node in graph.node)
    return found
