"""Pictures of a bright rectangle on dark green, which every map must find."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

SIDE, CELLS = 48, 6  # a cell is 8 pixels
COLOURS = ((255, 60, 0), (0, 60, 255))


def model() -> MetricModel:
    """Mean colours of 6x6 cells, then global average pooling."""
    module = nn.Sequential(nn.AvgPool2d(SIDE // CELLS), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return MetricModel.from_module(
        module, feature_layer="0", preprocessing=Preprocessing(SIDE, SIDE), name="cells"
    )


def write(folder: Path, count: int = 8) -> Path:
    """Write pictures with two alternating labels and their table; returns the table's path."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    rows = ["image,species,width,height,box_x,box_y,box_w,box_h"]
    for number in range(count):
        x, y = (random.integers(0, 3, 2) * 8).tolist()
        width, height = (random.integers(2, 4, 2) * 8).tolist()
        picture = np.full((SIDE, SIDE, 3), (0, 40, 0), np.uint8)
        picture[y : y + height, x : x + width] = COLOURS[number % 2]
        Image.fromarray(picture).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]},{SIDE},{SIDE},{x},{y},{width},{height}")
    table = folder / "images.csv"
    table.write_text("\n".join(rows) + "\n")
    return table
