"""When a standing query was paused, in revisions of the gallery."""

from dataclasses import dataclass

from partlens.server.errors import RequestError

_MOST = 1000


@dataclass(frozen=True)
class Pause:
    """Images with a later revision than `after`, up to `until`, are never scored.

    Attributes:
        until: None while the pause lasts.
    """

    after: int
    until: int | None = None

    def covers(self, revision: int) -> bool:
        """Whether an image with this revision was committed during the pause."""
        return self.after < revision and (self.until is None or revision <= self.until)


@dataclass(frozen=True)
class Pauses:
    """All pauses of a standing query.

    Attributes:
        each: in order, without overlap; only the last may still last.
    """

    each: tuple[Pause, ...] = ()

    @property
    def since(self) -> int | None:
        """Revision after which no image is scored now; None if it is not paused."""
        return self.each[-1].after if self.each and self.each[-1].until is None else None

    def cover(self, revision: int) -> bool:
        """Whether an image with this revision was committed during a pause."""
        return any(pause.covers(revision) for pause in self.each)

    def begun(self, newest: int) -> "Pauses":
        """With one that begins after this revision, unless one lasts.

        Raises:
            RequestError: too many pauses.
        """
        if self.since is not None:
            return self
        if self.each and self.each[-1].until == newest:  # no image was scored in between
            return Pauses((*self.each[:-1], Pause(self.each[-1].after)))
        if len(self.each) >= _MOST:
            raise RequestError(
                "paused",
                f"it has been paused {_MOST} times, the most that are remembered; create it again"
                " and delete this one",
            )
        return Pauses((*self.each, Pause(newest)))

    def ended(self, newest: int) -> "Pauses":
        """With the lasting one ended by this revision."""
        if self.since is None:
            return self
        # A pause without images leaves nothing to remember.
        ended = (Pause(self.since, newest),) if newest > self.since else ()
        return Pauses((*self.each[:-1], *ended))
