"""A saved region search that every new image is scored against."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from partlens.common.filters import Filter
from partlens.explainer.scoring import QueryPart, Score, query_part
from partlens.explainer.spec import ModelSpec
from partlens.server.caller.caller import Caller
from partlens.server.query_images.query import Query


@dataclass(frozen=True, eq=False)
class SavedRegion:
    """A saved region.

    Attributes:
        image: position of its image in the query.
        coverage: share of each position that it covers, float32 [P].
        weight: weight in the score; negative for an excluded region.
    """

    image: int
    coverage: NDArray[np.float32]
    weight: float


@dataclass(frozen=True, eq=False)
class StandingQuery:
    """A saved search.

    Attributes:
        id: id, assigned by the server.
        name: name that its owner chose.
        token: id of the token that saved it; "" if the server has no tokens.
        score, threshold: kind of score, and the lowest value that matches.
        where: filter of images; within its owner's cameras.
        created_at, created_revision: only images with a later revision are scored.
        model_digest: digest of the model that produced its features.
        images: features of the images that its regions lie on, without pixels.
        regions: regions to search for.
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
        """Its regions as a search sees them; raises ShapeError if they do not fit the model."""
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
        """Whether a caller may see and delete it: the owner, or an admin of all cameras.

        An admin of some cameras may not: a saved search may cover others, and its name may tell.
        """
        manages = "admin" in caller.scopes and caller.within.cameras is None
        return manages or caller.token == self.token
