"""The maps of hits that a search asks for."""

from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.pair import maps_of_retrieved
from partlens.indexer.gallery import Candidate
from partlens.server.access.confined_view import ConfinedView
from partlens.server.query_images.prepared import PreparedSearch
from partlens.server.query_images.query import Query
from partlens.server.requests.answers import Match
from partlens.server.requests.questions import MapKind

FloatArray = NDArray[np.float32]


def with_maps(
    kinds: Set[MapKind],
    search: PreparedSearch,
    queries: Sequence[Query],
    found: Sequence[Candidate],
    view: ConfinedView,
) -> tuple[Match, ...]:
    """The candidates, in order, with their overall and partial maps if these kinds ask for them.

    Args:
        search: what was searched for; its marks do not change these maps.
        queries: the images that its regions lie on.
        view: view with the candidates, from which their contributions are read.
    """
    if not found or not kinds & {"overall", "regions"}:
        return tuple(Match(candidate) for candidate in found)
    contributions, bias = view.decompositions_of(found)

    def maps(query: Query, feature: FloatArray) -> FloatArray:
        view.require_waiting()
        return maps_of_retrieved(feature, query.embedding, contributions, bias, search.grid)

    overall, partial = [], []
    if "overall" in kinds:
        overall = [maps(query, query.embedding) for query in queries]
    if "regions" in kinds:
        for region in search.regions:
            feature = region.part(queries, search.grid).feature
            partial.append(maps(queries[region.image], feature))
    return tuple(
        Match(candidate, tuple(m[i] for m in overall), tuple(m[i] for m in partial))
        for i, candidate in enumerate(found)
    )
