"""The maps of hits that a search asks for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.pair import maps_of_retrieved
from partlens.indexer.gallery import Candidate
from partlens.server.access.confined_view import ConfinedView
from partlens.server.query_images.query import Query
from partlens.server.requests.answers import Match
from partlens.server.requests.questions import SearchQuestion

FloatArray = NDArray[np.float32]


def with_maps(
    question: SearchQuestion,
    queries: Sequence[Query],
    weights: Sequence[FloatArray],
    found: Sequence[Candidate],
    view: ConfinedView,
) -> tuple[Match, ...]:
    """The candidates, in order, with their overall and partial maps if the question asks for them.

    Args:
        queries: images of the question.
        weights: for each region of the question, the share of each position that it covers, [P].
        view: view with the candidates, from which their contributions are read.
    """
    if not found or not question.maps & {"overall", "regions"}:
        return tuple(Match(candidate) for candidate in found)
    contributions, bias = view.decompositions([c.id for c in found])

    def maps(query: Query, feature: FloatArray) -> FloatArray:
        grid = view.whole.spec.grid
        return maps_of_retrieved(feature, query.embedding, contributions, bias, grid)

    overall, partial = [], []
    if "overall" in question.maps:
        overall = [maps(query, query.embedding) for query in queries]
    if "regions" in question.maps:
        for region, covered in zip(question.regions, weights, strict=True):
            query = queries[region.image]
            partial.append(maps(query, covered @ query.contributions))
    return tuple(
        Match(candidate, tuple(m[i] for m in overall), tuple(m[i] for m in partial))
        for i, candidate in enumerate(found)
    )
