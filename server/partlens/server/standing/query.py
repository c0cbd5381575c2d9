"""A region search that is saved, and that every new image is scored against."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from partlens.common.filters import Filter
from partlens.explainer.scoring import QueryPart, Score, query_part
from partlens.explainer.spec import ModelSpec
from partlens.server.access.caller import Caller
from partlens.server.features.query import Query


@dataclass(frozen=True, eq=False)
class SavedRegion:
    """What is kept of a region.

    Attributes:
        image: position of its image in the query.
        coverage: share of each position that it covers, float32 [P].
        weight: its share in the score; negative where it must not be there.
    """

    image: int
    coverage: NDArray[np.float32]
    weight: float


@dataclass(frozen=True, eq=False)
class StandingQuery:
    """A saved search.

    Attributes:
        id: given by the server.
        name: its owner's words.
        token: id of the token that saved it; "" where the server has none.
        score, threshold: an image matches with this score or a higher one.
        where: the images it looks at; within its owner's cameras.
        created_at, created_revision: images of later revisions are new to it.
        model_digest: of the model that made its features.
        images: that its regions lie on; their features, not their pixels.
        regions: what it searches for.
    """

    id: str
    name: str
    token: str
    score: Score
    threshold: float
    where: Filter
    created_at: datetime
    created_revision: int
    model_digest: str
    images: tuple[Query, ...]
    regions: tuple[SavedRegion, ...]

    def parts(self, spec: ModelSpec) -> list[QueryPart]:
        """Its regions as a search sees them; raises ShapeError where they do not fit the model."""
        found = []
        for region in self.regions:
            image = self.images[region.image]
            found.append(
                query_part(
                    image.contributions, image.bias, region.coverage, spec.grid, region.weight
                )
            )
        return found

    def owned_by(self, caller: Caller) -> bool:
        """Whether a caller may see and delete it: its own, or with scope admin any."""
        return caller.token == self.token or "admin" in caller.scopes
