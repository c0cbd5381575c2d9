"""gallery.json: a gallery's format, its model, and how it stores contributions."""

import json
from dataclasses import dataclass
from typing import cast, get_args

from partlens.common.storage import Storage
from partlens.explainer.errors import EarlierModelError, ModelError
from partlens.explainer.spec import ModelSpec
from partlens.explainer.stored import kept_bytes
from partlens.indexer.errors import (
    DamagedError,
    GalleryError,
    NewerFormatError,
    NotFoundError,
    unreadable,
)
from partlens.indexer.gallery.home.home import Home

FORMAT = 3
"""The newest. A gallery has the format of its model.json, and at least 2 for int8."""
FILE = "gallery.json"


@dataclass(frozen=True)
class GallerySpec:
    """What never changes about a gallery.

    Attributes:
        spec: spec of the model that the gallery is bound to.
        storage: storage type of the contributions.
    """

    spec: ModelSpec
    storage: Storage = "float16"

    @property
    def row_bytes(self) -> int:
        """Bytes of an image's contributions, and of its bias and embedding in float32."""
        kept = kept_bytes(self.spec.positions, self.spec.dimensions, self.storage)
        return kept + 8 * self.spec.dimensions

    def content(self) -> bytes:
        """What gallery.json holds."""
        number = max(self.spec.format, 1 if self.storage == "float16" else 2)
        plain = {"format": number, "model": self.spec.to_json()}
        if number > 1:
            plain["storage"] = self.storage
        return json.dumps(plain, indent=1).encode()

    @classmethod
    def read(cls, home: Home) -> "GallerySpec":
        """Read gallery.json of a gallery.

        Raises:
            NotFoundError: there is no gallery.
            DamagedError, NewerFormatError: the file is damaged, or written by a newer version.
        """
        try:
            plain = json.loads(home.read(FILE))
            if not isinstance(plain, dict) or type(plain.get("format")) is not int:
                raise DamagedError(f"{FILE} has no format number")
            if plain["format"] > FORMAT:
                raise NewerFormatError(plain["format"], FORMAT)
            storage = plain["storage"] if plain["format"] > 1 else "float16"
            if storage not in get_args(Storage):
                raise DamagedError(f"{FILE} has an unknown storage {storage!r}")
            return cls(ModelSpec.from_json(plain["model"]), cast(Storage, storage))
        except FileNotFoundError as error:
            raise NotFoundError(
                f"there is no gallery at {home}; create one with `partlens index create`"
            ) from error
        except EarlierModelError as error:
            raise DamagedError(
                f"the gallery {home} cannot be used: its {error}. Create a new one with `partlens"
                " index create`, from a model that this version imported, and fill it with"
                " `partlens index add`"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, ModelError, RecursionError) as error:
            if isinstance(error, GalleryError):
                raise
            raise unreadable(f"{FILE} cannot be read: {error}", error) from error
