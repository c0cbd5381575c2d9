"""A saved region search that every new image is scored against."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from partlens.common.filters import Filter
from partlens.explainer.scoring import Score
from partlens.server.caller.caller import Caller
from partlens.server.query_images.prepared import PreparedSearch
from partlens.server.standing.pauses import Pause, Pauses

_NOT_YET = 2**63 - 1


@dataclass(frozen=True)
class Change:
    """What to change of a standing query; None leaves a value unchanged."""

    name: str | None = None
    threshold: float | None = None
    paused: bool | None = None


@dataclass(frozen=True, eq=False)
class StandingQuery:
    """A saved search.

    Attributes:
        id: id, assigned by the server.
        name: name that its owner chose.
        token: id of its owner's first token (Caller.owner); "" if the server has no tokens.
        score, threshold: kind of score, and the lowest value that matches.
        where: filter of images; within its owner's cameras.
        created_at, created_revision: only images with a later revision are scored.
        model_digest: digest of the model that produced its features.
        search: its regions and marks, with the features of their images, without pixels.
        pauses: when it was paused; images committed then are never scored.
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
    pauses: Pauses = field(default_factory=Pauses)

    @property
    def waits(self) -> bool:
        """Whether it was carried over from another gallery, whose place this one has not taken
        yet."""
        return self.created_revision == _NOT_YET

    def carried(self, search: PreparedSearch, model_digest: str) -> "StandingQuery":
        """The query for another model; it waits until its gallery takes the other's place."""
        paused = Pauses((Pause(0),)) if self.paused else Pauses()
        return replace(
            self,
            search=search,
            model_digest=model_digest,
            created_revision=_NOT_YET,
            pauses=paused,
        )

    def begun(self, newest: int) -> "StandingQuery":
        """The query once its gallery has taken the place of the one that it was carried from."""
        return replace(self, created_revision=newest) if self.waits else self

    @property
    def paused(self) -> bool:
        """Whether new images are not scored now."""
        return self.pauses.since is not None

    def scores(self, revision: int) -> bool:
        """Whether an image with this revision is scored."""
        return revision > self.created_revision and not self.pauses.cover(revision)

    def scores_none_after(self, revision: int) -> bool:
        """Whether it is paused and scores no image with a later revision."""
        since = self.pauses.since
        return since is not None and since <= revision

    def changed(self, change: Change, newest: int) -> "StandingQuery":
        """The query after a change.

        Args:
            newest: revision of the newest image; a pause begins or ends after it.

        Raises:
            RequestError: too many pauses.
        """
        pauses = self.pauses
        if change.paused is not None:
            pauses = pauses.begun(newest) if change.paused else pauses.ended(newest)
        return replace(
            self,
            name=self.name if change.name is None else change.name,
            threshold=self.threshold if change.threshold is None else change.threshold,
            pauses=pauses,
        )

    def owned_by(self, caller: Caller) -> bool:
        """Whether a caller may see, change and delete it: the owner, or an admin of all cameras.

        An admin of some cameras may not: a saved search may cover others, and its name may tell.
        """
        manages = "admin" in caller.scopes and caller.within.cameras is None
        return manages or caller.owner == self.token
