"""A small model of tokens; one of them belongs to no cell."""

import torch
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
