"""Layers of a PyTorch module that its graph does not show: an embedding inside, an identity."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from partlens.explainer.errors import ModelError


def has_layer(module: nn.Module, layer: str) -> bool:
    """Whether a module has a submodule of this dotted name."""
    return bool(layer) and layer in dict(module.named_modules())


@contextmanager
def returning(module: nn.Module, layer: str) -> Iterator[None]:
    """While entered, the module returns the output of a layer inside it, flattened to [N, D].

    Args:
        layer: dotted name of a submodule; "" changes nothing.
    """
    if not layer:
        yield
        return
    outputs = list[object]()

    def keep(_module: nn.Module, _given: object, output: object) -> None:
        outputs.append(output)

    def give(_module: nn.Module, _given: object, _returned: object) -> Tensor:
        found = list(outputs)
        outputs.clear()
        return _embedding(found, layer)

    with ExitStack() as stack:
        for where, hook in ((module.get_submodule(layer), keep), (module, give)):
            stack.callback(where.register_forward_hook(hook).remove)
        yield


@contextmanager
def shown(module: nn.Module, layer: str) -> Iterator[None]:
    """While entered, a layer that returns its input returns a copy, so that a graph shows it.

    Args:
        layer: dotted name of a submodule; another name changes nothing.
    """

    def copy(_module: nn.Module, given: tuple[object, ...], output: object) -> Tensor | None:
        same = isinstance(output, Tensor) and any(output is one for one in given)
        return output.clone() if same and isinstance(output, Tensor) else None

    if not has_layer(module, layer):
        yield
        return
    handle = module.get_submodule(layer).register_forward_hook(copy)
    try:
        yield
    finally:
        handle.remove()


def _embedding(outputs: list[object], layer: str) -> Tensor:
    """The one output of a layer as [N, D].

    Raises:
        ModelError: it has no such output.
    """
    if len(outputs) != 1:
        raise ModelError(
            f"--embedding: the layer {layer!r} runs {len(outputs)} times for one picture; choose a"
            " layer that runs once"
        )
    (output,) = outputs
    if not isinstance(output, Tensor):
        raise ModelError(
            f"--embedding: the layer {layer!r} gives {type(output).__name__}, not one tensor"
        )
    if output.ndim < 2 or any(int(size) != 1 for size in output.shape[2:]):
        shape = ", ".join(map(str, ("N", *output.shape[1:])))
        raise ModelError(
            f"--embedding: the layer {layer!r} gives [{shape}]; one vector for each picture is"
            " needed, [N, D] or [N, D, 1, 1]: choose a layer after the pooling"
        )
    return torch.flatten(output, 1)
