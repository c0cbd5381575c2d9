"""Lowers ATen matrix products, attention and softmax."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.lowered import Lowered, additive
from partlens.explainer.head.lowering.torch.call import Call, Lowering
from partlens.explainer.head.operators import Attribute


def _matmul(second: str) -> Lowering:
    return lambda call: ("matmul", (call.arguments["self"], call.arguments[second]), {})


def _attention(call: Call) -> Lowered:
    given = call.arguments
    query, key, x, mask = (given[name] for name in ("query", "key", "value", "attn_mask"))
    if given["enable_gqa"]:
        raise ValueError("grouped queries are not supported")
    if isinstance(mask, str):
        raise ValueError("its mask must not depend on the feature map")
    mask = None if mask is None else additive(mask)
    if mask is not None and not mask.any():
        mask = None  # every token attends to every other
    attributes: dict[str, Attribute] = {
        "scale": given["scale"],
        "causal": bool(given["is_causal"]),
    }
    return "attention", (query, key, x, *([] if mask is None else [mask])), attributes


def _softmax(call: Call) -> Lowered:
    return "softmax", (call.arguments["self"],), {"axis": call.arguments["dim"]}


LOWERINGS: Mapping[str, Lowering] = {
    "aten.mm.default": _matmul("mat2"),
    "aten.bmm.default": _matmul("mat2"),
    "aten.matmul.default": _matmul("other"),
    "aten.scaled_dot_product_attention.default": _attention,
    "aten.softmax.int": _softmax,
    "aten._softmax.default": _softmax,
}
