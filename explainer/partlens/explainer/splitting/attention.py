"""PyTorch's own attention layers, written so that the images stay on an axis of their own."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_SIGNATURE = inspect.signature(F.multi_head_attention_forward)
_OTHER = ("bias_k", "bias_v", "add_zero_attn", "static_k", "static_v")
"""Arguments that PyTorch handles and that a head cannot have."""


@contextmanager
def attention_written_out() -> Iterator[None]:
    """While a module is exported: nn.MultiheadAttention and what is made of it, in the open.

    PyTorch's merges the images with attention heads, which no head may do; and its encoder layers
    may call one fused operator, which shows nothing of its steps.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with _WrittenOut():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class _WrittenOut(TorchFunctionMode):
    """nn.MultiheadAttention calls this function, and so does CLIP's attention pooling."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.multi_head_attention_forward:
            given = _SIGNATURE.bind(*args, **(kwargs or {}))
            given.apply_defaults()
            values = given.arguments
            usual = all(values[name] is None or values[name] is False for name in _OTHER)
            if usual and values["query"].ndim == 3:
                return _multi_head_attention(values)
        return func(*args, **(kwargs or {}))


def _multi_head_attention(given: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
    """softmax(Q K^T / sqrt(d) + mask) V for each attention head, then the output projection.

    Args:
        given: the arguments of torch.nn.functional.multi_head_attention_forward, tokens before
            images.

    Returns:
        Output [queries, N, E], and the weights [N, queries, keys] where they are wanted.
    """
    heads = given["num_heads"]
    q, k, v = (_by_head(x, heads) for x in _projected(given))
    mask = _mask(given["key_padding_mask"], given["attn_mask"], heads)
    weights = None
    if given["need_weights"]:  # unless someone reads them the exporter leaves them out again
        logits = q @ k.mT * q.shape[-1] ** -0.5
        weights = (logits if mask is None else logits + mask).softmax(-1)
        weights = weights.mean(1) if given["average_attn_weights"] else weights
    mixed = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)
    out = F.linear(mixed, given["out_proj_weight"], given["out_proj_bias"])
    return out.transpose(0, 1), weights


def _projected(given: Mapping[str, Any]) -> Iterator[Tensor]:
    """Queries, keys and values, images first: [N, T, E]."""
    bias = given["in_proj_bias"]
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    matrices = (
        [given[f"{name}_proj_weight"] for name in "qkv"]
        if given["use_separate_proj_weight"]
        else given["in_proj_weight"].chunk(3)
    )
    inputs = (given[name].transpose(0, 1) for name in ("query", "key", "value"))
    for x, matrix, one in zip(inputs, matrices, biases, strict=True):
        yield F.linear(x, matrix, one)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """[N, T, E] -> [N, heads, T, E / heads]."""
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads).transpose(1, 2)


def _mask(padding: Tensor | None, mask: Tensor | None, heads: int) -> Tensor | None:
    """What is added to the logits, broadcast over [N, heads, queries, keys]."""
    added = []
    if padding is not None:
        added.append(_added(padding)[:, None, None])
    if mask is not None:
        of_heads = mask.ndim == 3 and len(mask) > 1
        one = _added(mask)
        added.append(one.reshape(-1, heads, *one.shape[1:]) if of_heads else one)
    return sum(added[1:], added[0]) if added else None


def _added(mask: Tensor) -> Tensor:
    """A mask in which True hides a key, as a number to add to its logit."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, device=mask.device).masked_fill(mask, -torch.inf)
