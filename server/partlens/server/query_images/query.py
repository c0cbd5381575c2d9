"""A query image as the model sees it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Query:
    """One query image as the model sees it: E = contributions.sum(0) + bias.

    Attributes:
        id: unique for the image and the model; see query_id.
        image_size: (width, height) of the upright image, in pixels.
        contributions: float32 [P, D].
        bias: float32 [D].
        media_digest: digest of its encoded picture, as the gallery stores it; "" if not known.
    """

    id: str
    image_size: tuple[int, int]
    contributions: NDArray[np.float32]
    bias: NDArray[np.float32]
    media_digest: str = ""

    @cached_property
    def embedding(self) -> NDArray[np.float32]:
        """E before L2 normalisation, shape [D]."""
        return np.asarray(self.contributions.sum(0) + self.bias, np.float32)
