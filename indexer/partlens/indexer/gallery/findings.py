"""Damage of a gallery's files: what it is, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["truth", "segments", "indexes"]
KINDS: tuple[Kind, ...] = ("truth", "segments", "indexes")


@dataclass(frozen=True)
class Finding:
    """Damage of one file or folder.

    Attributes:
        place: the file or folder, relative to the gallery's folder.
        problem: what is wrong with it.
        repairable: whether it can be rebuilt from the truth.
        images: number of images of the newest version in it; 0 if there are none or it is unknown.
        advice: what to do, if neither a repair nor a backup helps.
    """

    place: str
    problem: str
    repairable: bool
    images: int = 0
    advice: str = ""

    @property
    def kind(self) -> Kind:
        """Part of the gallery that the file belongs to."""
        top = self.place.partition("/")[0]
        return "segments" if top == "segments" else "indexes" if top == "indexes" else "truth"

    def __str__(self) -> str:
        held = f"; {self.images} images lie in it" if self.images else ""
        return f"{self.place}: {self.problem}{held}{self._what_to_do}"

    @property
    def _what_to_do(self) -> str:
        if self.advice:
            return f"; {self.advice}"
        if self.repairable:
            return "; `partlens index verify --repair` rebuilds it from the truth"
        if self.kind == "truth":
            return "; restore the gallery from a backup, or index its images into a new one"
        return ""  # the problem says what to do
