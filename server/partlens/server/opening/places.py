"""Where `partlens open` keeps galleries and models."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from partlens.common.durable import write_atomically
from partlens.common.text import is_one_line
from partlens.server.errors import OpenError

_DIGITS = 12


@dataclass(frozen=True)
class Cache:
    """The cache folder. Everything in it can be made again, except pictures uploaded to a gallery.

    Attributes:
        root: the folder; only its owner can read it.
    """

    root: Path

    @classmethod
    def of_user(cls) -> "Cache":
        """The cache folder of this user."""
        return cls(user_cache_path("partlens", appauthor=False))

    @property
    def models(self) -> Path:
        """Folder of the model folders that were imported."""
        return self.root / "models"

    def gallery(self, photos: Path, digest: str) -> Path:
        """The gallery of a source and a model.

        Args:
            digest: of the model.
        """
        return self._of(photos) / digest.rpartition(":")[2][:_DIGITS] / "gallery"

    def memory(self, photos: Path) -> Path:
        """The file that remembers the model of a source."""
        return self._of(photos) / "model"

    def _of(self, photos: Path) -> Path:
        digest = hashlib.sha256(bytes(photos)).hexdigest()[:_DIGITS]
        # A gallery's path must be text of one line.
        name = "".join(one if is_one_line(one) else "_" for one in photos.name[:40])
        return self.root / "galleries" / f"{name}-{digest}"


def remembered_model(memory: Path) -> Path | None:
    """The model folder that a file remembers; None if there is none."""
    try:
        name = memory.read_text(encoding="utf-8").strip()
        return Path(name) if name and Path(name).is_dir() else None
    except (OSError, ValueError):
        return None


def remember_model(memory: Path, model: Path) -> None:
    """Have a file remember a model folder."""
    private_folder(memory.parent)
    write_atomically(memory, f"{model}\n")


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner can read, if it is missing.

    Raises:
        OpenError: it cannot be made.
    """
    try:
        for one in (*reversed(folder.parents), folder):
            if not one.exists():
                one.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OpenError(
            f"the folder {folder} cannot be made: {error.strerror}; give --gallery a folder"
            " elsewhere, or set XDG_CACHE_HOME"
        ) from error


def require_outside(photos: Path, gallery: Path) -> None:
    """Raise OpenError if a gallery would lie inside the folder of pictures."""
    folder = photos if photos.is_dir() else photos.parent
    if gallery.resolve().is_relative_to(folder):
        raise OpenError(
            f"the gallery {gallery} would lie inside {folder}, where nothing is ever written: give"
            " --gallery a folder elsewhere, or open a folder that holds only pictures"
        )
