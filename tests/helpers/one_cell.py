"""A model that sees a picture as one cell, and whose head's bias outweighs it."""

from pathlib import Path

import torch
from torch import nn

from partlens.explainer import MetricModel, Preprocessing

SIDE, CHANNELS, DIMENSIONS = 32, 6, 8


def one_cell_model(folder: Path) -> Path:
    """Write its folder, and return it."""
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, CHANNELS, 8, 8), nn.ReLU(), nn.MaxPool2d(SIDE // 8), nn.Conv2d(CHANNELS, 6, 1)
    )
    embed = nn.Linear(6, DIMENSIONS)
    nn.init.constant_(embed.bias, 3.0)
    head = nn.Sequential(nn.Flatten(), embed)
    model = MetricModel.from_module(
        nn.Sequential(backbone, head),
        feature_layer="0",
        preprocessing=Preprocessing(SIDE, SIDE),
        name="one-cell",
    )
    model.save(folder)
    return folder
