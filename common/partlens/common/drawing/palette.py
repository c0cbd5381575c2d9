"""The colours of maps and regions. Needs no Pillow."""

import numpy as np
from numpy.typing import NDArray

POSITIVE, NEGATIVE = (178, 24, 43), (33, 102, 172)
"""Red and blue of ColorBrewer's RdBu, which are safe for colour-blind readers."""
MARKED, EXCLUDED = (255, 210, 0), (255, 255, 255)
"""Outline colours of searched regions and of excluded regions."""
_STRONGEST = 0.85
"""Opacity of the strongest colour."""


def colours(values: NDArray[np.floating], strongest: float) -> NDArray[np.uint8]:
    """RGBA: red above zero, blue below, clear at zero, strongest at +-strongest and beyond.

    Args:
        values: signed, shape [height, width].
        strongest: see Scale.
    """
    strength = np.zeros(values.shape)
    if strongest > 0:
        strength = np.clip(np.abs(values) / strongest, 0, 1)
    rgba = np.empty((*values.shape, 4), np.uint8)
    rgba[..., :3] = np.where((values >= 0)[..., None], POSITIVE, NEGATIVE)
    rgba[..., 3] = np.round(255 * _STRONGEST * strength)
    return rgba
