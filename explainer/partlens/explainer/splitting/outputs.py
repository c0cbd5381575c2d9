"""Which of the tensors that a PyTorch module returns is its embedding."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from partlens.explainer.errors import ModelError
from partlens.explainer.splitting.layers import has_layer, returning


def output_names(structure: pytree.TreeSpec | None) -> list[str]:
    """Dotted names of a module's outputs, in torch.export's order: keys and places, as "aux.0".

    The only output of a module that returns a tensor is called "".
    """
    if structure is None:
        return []
    numbered = pytree.tree_unflatten(range(structure.num_leaves), structure)
    return list(_named(numbered))


def embedding_of(output: object, embedding: str) -> Tensor:
    """The embedding in what a module returned.

    Args:
        embedding: as for `chosen`.

    Raises:
        ModelError: it is not there, or not clear.
    """
    tensors = {name: leaf for name, leaf in _named(output).items() if isinstance(leaf, Tensor)}
    return tensors[chosen({name: tuple(one.shape) for name, one in tensors.items()}, embedding)]


@torch.no_grad()
def embeddings(module: nn.Module, pixels: NDArray[np.float32], embedding: str) -> Tensor:
    """The embeddings [N, D] of pixels [N, 3, height, width], computed one image at a time.

    Args:
        module: in eval mode.
        embedding: as for `chosen`, or the dotted name of a submodule.

    Raises:
        ModelError: as embedding_of.
    """
    given = [torch.from_numpy(one[None]) for one in pixels]
    layer = inner_layer(module, embedding, given[0])
    with returning(module, layer):
        found = [embedding_of(module(one), "" if layer else embedding) for one in given]
    return torch.cat(found)


@torch.no_grad()
def inner_layer(module: nn.Module, embedding: str, pixels: Tensor) -> str:
    """The submodule that an embedding names; "" if it names an output, or nothing.

    Args:
        module: in eval mode.
        pixels: of one image or more, [N, 3, height, width].

    Raises:
        ModelError: the submodule does not give one vector for each picture.
    """
    if not has_layer(module, embedding):
        return ""
    if embedding in _named(module(pixels)):
        return ""
    with returning(module, embedding):
        module(pixels)
    return embedding


def chosen(shapes: Mapping[str, tuple[object, ...]], embedding: str) -> str:
    """The name of the output that is the embedding.

    Args:
        shapes: of all tensors that the module returns, by name.
        embedding: the name that the caller gave; "" where there is only one.

    Raises:
        ModelError: there are several and none is named, or there is none of that name.
    """
    if embedding in shapes:
        return embedding
    if not embedding and len(shapes) == 1:
        return next(iter(shapes))
    known = ", ".join(
        f"{name or 'a tensor without a name'} [{', '.join(map(str, ('N', *shape[1:])))}]"
        for name, shape in shapes.items()
    )
    if embedding:
        raise ModelError(
            f"the module returns no {embedding!r} and has no layer of that name; it returns {known}"
        )
    raise ModelError(
        f"the module returns {len(shapes)} tensors: {known}. Name the embedding (--embedding, or"
        " embedding= in Python)"
    )


def _named(output: object) -> dict[str, object]:
    leaves, _ = pytree.tree_flatten_with_path(output)
    return {".".join(map(_key, path)): leaf for path, leaf in leaves}


def _key(entry: object) -> str:
    match entry:
        case pytree.SequenceKey(idx=index):
            return str(index)
        case pytree.MappingKey(key=key):
            return str(key)
        case pytree.GetAttrKey(name=name):
            return str(name)
    return str(entry)
