"""Small models of tokens: one with a token that belongs to no cell, one with position encodings."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partlens.explainer import MetricModel, Preprocessing


class Tokens(nn.Module):
    """Pixels as tokens, after a class token."""

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = pixels.flatten(2).transpose(1, 2)
        return torch.cat([tokens.mean(1, keepdim=True), tokens], 1)


class Mean(nn.Module):
    """Tokens to an embedding."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)


def tokens_model() -> MetricModel:
    """A class token and the pixels of a 4x4 picture as tokens, averaged."""
    return MetricModel.from_module(
        nn.Sequential(Tokens(), Mean()),
        feature_layer="0",
        preprocessing=Preprocessing(4, 4),
        name="tokens",
        extras=("class",),
    )


class Positioned(nn.Module):
    """Patches of 4x4 pixels as tokens of 12 numbers, each with the encoding of its position."""

    def __init__(self, encodings: Tensor) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 4, 4)
        self.encodings = nn.Parameter(encodings)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.patches(pixels).flatten(2).transpose(1, 2)
        return tokens + self.encodings


class EvenAttention(nn.Module):
    """A block whose tokens attend to all tokens alike, since its queries are zero; and the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.embed = nn.Linear(12, 36), nn.Linear(12, 12), nn.Linear(12, 10)
        nn.init.zeros_(self.qkv.weight[:12])
        nn.init.zeros_(self.qkv.bias[:12])

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(tokens).chunk(3, 2)
        mixed = tokens + self.out(F.scaled_dot_product_attention(q, k, v))
        embedding: Tensor = self.embed(mixed).mean(1)
        return embedding


def positioned_model(encodings: Tensor) -> MetricModel:
    """A transformer of 4x4 patches of a 16x16 picture, with the given encodings [16, 12].

    What it computes is linear, so each contribution is that of the patch and that of its encoding.
    """
    torch.manual_seed(2)
    return MetricModel.from_module(
        nn.Sequential(Positioned(encodings), EvenAttention()),
        feature_layer="0",
        preprocessing=Preprocessing(16, 16),
        name="positioned",
    )
