"""gallery.json: the format of a gallery, and the model that it is bound to."""

import json
from pathlib import Path

from partlens.explainer.errors import ModelError
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import DamagedError, GalleryError, NewerFormatError, NotFoundError
from partlens.indexer.gallery.durability import write_atomically

FORMAT = 1
_FILE = "gallery.json"


def write(folder: Path, spec: ModelSpec) -> None:
    """Bind a gallery to a model; on disk when this returns."""
    plain = {"format": FORMAT, "model": spec.to_json()}
    write_atomically(folder / _FILE, json.dumps(plain, indent=1).encode())


def read(path: Path) -> ModelSpec:
    """The model that the gallery at a place is bound to.

    Raises:
        NotFoundError: there is no gallery.
        DamagedError, NewerFormatError: the file is broken, or of a newer version.
    """
    try:
        plain = json.loads((path / _FILE).read_bytes())
        if not isinstance(plain, dict) or type(plain.get("format")) is not int:
            raise DamagedError(f"{_FILE} has no format number")
        if plain["format"] > FORMAT:
            raise NewerFormatError(plain["format"], FORMAT)
        return ModelSpec.from_json(plain["model"])
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no gallery at {path}; make one with `partlens index create`"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, ModelError, RecursionError) as error:
        if isinstance(error, GalleryError):
            raise
        raise DamagedError(f"{_FILE} cannot be read: {error}") from error
