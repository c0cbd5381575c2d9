"""Six methods, with one signature, that map why an image is similar to a target.

Each takes the head, feature maps A and a Target, and returns one signed number per position: shape
[N, rows, cols] ([N, T, 1] for tokens), neither rescaled nor clipped at zero, all in units of
cosine similarity. None runs the backbone, hooks into a module or leaves a gradient behind: the
head is an operator list that begins at A.

With f and norm of the target, Z = |E| norm, and g = d(f.E)/dA / Z, the gradient with Z constant:

| method             | map at position p                                                         |
| ------------------ | ------------------------------------------------------------------------- |
| cam                | sum_k w_k A_kp, w_k = sum_p g_kp: the head read as pooling, then linear   |
| grad_cam           | sum_k mean_p(h_kp) A_kp, h = d cos/dA, through the L2 normalisation       |
| grad_cam_no_norm   | sum_k mean_p(g_kp) A_kp                                                   |
| rgrad_cam          | sum_k g_kp A_kp                                                           |
| decomposition_bias | c_p.f / Z                                                                 |
| decomposition      | c_p.(f - the bias in f) / Z                                               |

It follows (Zhu, Yang, Chen 2021, and tested here) that on global average pooling grad_cam_no_norm
equals decomposition_bias; on max pooling, flattened features and every other head made of gates
and weighted sums, rgrad_cam does. For one target, cam is P times grad_cam_no_norm, as Selvaraju et
al. (2017) show; in practice it differs by its target, a class. A region has no bias, so both
decompositions agree on it. An image compared with itself has a cosine of 1 that no small change
can raise, so there grad_cam on a linear head adds up to 0 and tells nothing.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from partlens.explainer.comparators.target import Target
from partlens.explainer.errors import ShapeError
from partlens.explainer.head.linearise import linearise
from partlens.explainer.head.operators import Head
from partlens.explainer.head.run import run

Comparator = Callable[[Head, Tensor, Target], Tensor]


def cam(head: Head, feature: Tensor, target: Target) -> Tensor:
    """Class activation map (Zhou et al., 2016), for a target that is a class.

    Arguments and the map, [N, rows, cols] in units of similarity: see the module.
    """
    weights = _by_position(_gradient(head, feature, target, _unnormalised)).sum(1, keepdim=True)
    return _laid_out(_by_position(feature) * weights, feature)


def grad_cam(head: Head, feature: Tensor, target: Target) -> Tensor:
    """Grad-CAM (Selvaraju et al., 2017) of the cosine similarity.

    Arguments and the map, [N, rows, cols] in units of similarity: see the module.
    """
    weights = _by_position(_gradient(head, feature, target, _normalised)).mean(1, keepdim=True)
    return _laid_out(_by_position(feature) * weights, feature)


def grad_cam_no_norm(head: Head, feature: Tensor, target: Target) -> Tensor:
    """Grad-CAM of the embeddings' product before L2 normalisation, over Z.

    Arguments and the map, [N, rows, cols] in units of similarity: see the module.
    """
    weights = _by_position(_gradient(head, feature, target, _unnormalised)).mean(1, keepdim=True)
    return _laid_out(_by_position(feature) * weights, feature)


def rgrad_cam(head: Head, feature: Tensor, target: Target) -> Tensor:
    """Gradient times feature per element: the paper's rectified Grad-CAM, known as HiResCAM.

    Arguments and the map, [N, rows, cols] in units of similarity: see the module.
    """
    gradient = _gradient(head, feature, target, _unnormalised)
    return _laid_out(_by_position(feature * gradient), feature)


def decomposition_bias(head: Head, feature: Tensor, target: Target) -> Tensor:
    """Activation decomposition against the whole target, including its bias.

    Arguments and the map, [N, rows, cols] in units of similarity: see the module.
    """
    return _decomposed(head, feature, target, target.feature)


def decomposition(head: Head, feature: Tensor, target: Target) -> Tensor:
    """Activation decomposition against the target without its bias.

    Arguments and the map, [N, rows, cols] in units of similarity: see the module.
    """
    return _decomposed(head, feature, target, target.feature - target.bias)


COMPARATORS: Mapping[str, Comparator] = {
    "cam": cam,
    "grad_cam": grad_cam,
    "grad_cam_no_norm": grad_cam_no_norm,
    "rgrad_cam": rgrad_cam,
    "decomposition_bias": decomposition_bias,
    "decomposition": decomposition,
}


def _decomposed(head: Head, feature: Tensor, target: Target, against: Tensor) -> Tensor:
    contributions, bias = linearise(head, feature)
    scale = _scale(contributions.sum(1) + bias, target)
    return _laid_out(contributions * (against * scale).unsqueeze(1), feature)


def _gradient(
    head: Head, feature: Tensor, target: Target, direction: Callable[[Tensor, Target], Tensor]
) -> Tensor:
    """J^T v, where J = dE/dA and v = direction(E); shape of A."""
    leaf = feature.detach().requires_grad_()
    with torch.enable_grad():
        embedding = run(head, leaf)
        along = direction(embedding.detach(), target)
        # Images are independent, so the gradient of the sum over them is each image's own gradient.
        (gradient,) = torch.autograd.grad((embedding * along).sum(), leaf)
    return gradient


def _unnormalised(embedding: Tensor, target: Target) -> Tensor:
    return target.feature * _scale(embedding, target)


def _normalised(embedding: Tensor, target: Target) -> Tensor:
    """The Jacobian of L2 normalisation, (I - e e^T) / |E| with e = E / |E|, applied to f."""
    scale = _scale(embedding, target)
    unit = embedding / embedding.norm(dim=1, keepdim=True)
    along: Tensor = target.feature - unit * (unit * target.feature).sum(1, keepdim=True)
    return along * scale


def _scale(embedding: Tensor, target: Target) -> Tensor:
    """1 / Z, shape [N, 1]."""
    count, dimensions = embedding.shape
    if target.feature.shape[1] != dimensions or len(target.feature) not in (1, count):
        raise ShapeError(
            f"targets of shape {tuple(target.feature.shape)} cannot explain embeddings of shape"
            f" {tuple(embedding.shape)}"
        )
    length: Tensor = embedding.norm(dim=1) * target.norm
    if not bool((length > 0).all()):
        raise ShapeError("an embedding of zero length has no cosine similarity to explain")
    return 1 / length.unsqueeze(1)


def _by_position(values: Tensor) -> Tensor:
    """[N, C, rows, cols] or tokens [N, T, C], both as [N, P, C]."""
    return values.flatten(2).transpose(1, 2) if values.ndim == 4 else values


def _laid_out(values: Tensor, feature: Tensor) -> Tensor:
    """[N, P, anything], summed, on the grid of the feature map."""
    grid = tuple(feature.shape[2:]) if feature.ndim == 4 else (feature.shape[1], 1)
    return values.sum(2).reshape(-1, *grid)
