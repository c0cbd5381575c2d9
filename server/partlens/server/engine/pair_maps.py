"""The explanation of a pair of query images, its partial maps and its pairs of positions."""

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.common.explained_pair import Side
from partlens.explainer.decomposition import Decomposition
from partlens.explainer.pair import PairExplanation
from partlens.server.query_images.query import Query
from partlens.server.requests.answers import ExplainedPairs, PartialMap
from partlens.server.requests.questions import PairsToExplain


def explanation(query: Query, retrieved: Query, grid: tuple[int, int]) -> PairExplanation:
    """Why two images are similar.

    Args:
        grid: (rows, cols) of the model.
    """
    return PairExplanation(_decomposition(query, grid), _decomposition(retrieved, grid))


def whole_map(why: PairExplanation, side: Side) -> PartialMap:
    """What a whole image explains of the similarity, bias included: all of it, on the other image.

    Args:
        side: the whole image.
    """
    map = why.retrieved_map() if side == "query" else why.query_map()
    return PartialMap(map.on, map.numpy(), map.constant)


def partial_map(why: PairExplanation, side: Side, covered: NDArray[np.float32]) -> PartialMap:
    """What a region of one image explains of the similarity, on the other image.

    Args:
        side: image that the region lies on.
        covered: share of each position that the region covers, [P].
    """
    map = why.partial_map(covered, of=side)
    return PartialMap(map.on, map.numpy(), map.constant)


def explained_pairs(why: PairExplanation, wanted: PairsToExplain) -> ExplainedPairs:
    """What pairs of positions add to the similarity."""
    of = why.pairs_of_query if wanted.side == "query" else why.pairs_of_retrieved
    return ExplainedPairs(wanted, of(wanted.positions))


def _decomposition(query: Query, grid: tuple[int, int]) -> Decomposition:
    # Copies: those of stored images are kept in memory, and torch could write to them.
    return Decomposition(torch.tensor(query.contributions), torch.tensor(query.bias), grid)
