"""PyTorch's attention layers written out give what PyTorch gives."""

from typing import Any

import pytest
import torch
from torch import nn

from partlens.explainer.splitting.attention import attention_written_out

N, QUERIES, KEYS, E, HEADS = 3, 4, 5, 8, 2


def given(**more: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    return {"query": (QUERIES, E), "key": (KEYS, E), "value": (KEYS, E), "layer": {}, **more}


CAUSAL = torch.ones(QUERIES, KEYS, dtype=torch.bool).triu(2)
CASES = {
    "plain": given(),
    "without bias": given(layer={"bias": False}),
    "keys of another size": given(key=(KEYS, 6), value=(KEYS, 7), layer={"kdim": 6, "vdim": 7}),
    "padding": given(key_padding_mask=torch.arange(KEYS).expand(N, -1) >= 3),
    "mask": given(attn_mask=CAUSAL),
    "added mask": given(attn_mask=torch.linspace(-1, 1, QUERIES * KEYS).view(QUERIES, KEYS)),
    "mask of each head": given(attn_mask=CAUSAL.expand(N * HEADS, -1, -1)),
    "both masks": given(attn_mask=CAUSAL, key_padding_mask=torch.arange(KEYS).expand(N, -1) >= 4),
    "weights of each head": given(average_attn_weights=False),
    "no weights": given(need_weights=False),
    "one more key": given(layer={"add_bias_kv": True}),
    "a key of zeros": given(layer={"add_zero_attn": True}),
}


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_it_computes_what_pytorch_computes(name: str, batch_first: bool) -> None:
    case = dict(CASES[name])
    torch.manual_seed(1)
    layer = nn.MultiheadAttention(E, HEADS, batch_first=batch_first, **case.pop("layer")).eval()
    inputs = [torch.randn(N, *case.pop(one)) for one in ("query", "key", "value")]
    if not batch_first:
        inputs = [x.transpose(0, 1) for x in inputs]
    expected = layer(*inputs, **case)
    with attention_written_out():
        found = layer(*inputs, **case)
    torch.testing.assert_close(found, expected)


def test_the_fused_path_of_pytorch_is_as_it_was() -> None:
    for before in (True, False):
        torch.backends.mha.set_fastpath_enabled(before)
        try:
            with pytest.raises(KeyError), attention_written_out():
                assert not torch.backends.mha.get_fastpath_enabled()
                raise KeyError
            assert torch.backends.mha.get_fastpath_enabled() == before
        finally:
            torch.backends.mha.set_fastpath_enabled(True)
