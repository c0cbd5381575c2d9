"""A saved region search that every new image is scored against."""

from dataclasses import dataclass
from datetime import datetime

from partlens.common.filters import Filter
from partlens.explainer.scoring import Score
from partlens.server.caller.caller import Caller
from partlens.server.query_images.prepared import PreparedSearch


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
        search: its regions and marks, with the features of their images, without pixels.
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
    search: PreparedSearch

    def owned_by(self, caller: Caller) -> bool:
        """Whether a caller may see and delete it: the owner, or an admin of all cameras.

        An admin of some cameras may not: a saved search may cover others, and its name may tell.
        """
        manages = "admin" in caller.scopes and caller.within.cameras is None
        return manages or caller.token == self.token
