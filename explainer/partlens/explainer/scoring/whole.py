"""A whole picture as one region of a search."""

from dataclasses import replace

import numpy as np

from partlens.explainer.scoring.part import FloatArray, QueryPart, query_part


def whole_part(
    contributions: FloatArray,
    bias: FloatArray,
    weights: FloatArray,
    grid: tuple[int, int],
    weight: float = 1.0,
) -> QueryPart:
    """A region that is the whole picture: its feature is the embedding itself, bias included.

    So WHOLE is the cosine similarity of the two images. Without the bias, the ranking by label is
    worse on every model measured (docs/results.md).

    Arguments and errors as in query_part.
    """
    part = query_part(contributions, bias, weights, grid, weight)
    embedding = np.asarray(contributions.sum(0) + bias, np.float32)
    return replace(part, feature=embedding, surroundings=embedding)
