"""Which erasures have begun and not ended, on disk: a later one finishes those that were killed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery.durability import refusals
from partlens.indexer.gallery.home.home import Home

FILE = "erasing.json"


@dataclass(frozen=True)
class Erasures:
    """The erasures of a gallery.

    Attributes:
        begun: number of erasures that have ever begun.
        images: id -> media digest of the images whose erasure has not ended; usually none.
    """

    begun: int = 0
    images: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, gallery: Home) -> "Erasures":
        """Read those of a gallery.

        Raises:
            DamagedError: the file cannot be read.
        """
        try:
            plain = json.loads(gallery.read(FILE))
            images = {str(id): str(digest) for id, digest in plain["images"].items()}
            return cls(int(plain["begun"]), images)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedError(
                f"{gallery}/{FILE} lists the images whose erasure was interrupted, and cannot be"
                f" read ({error}); restore it, or remove it and erase these images by id"
            ) from error

    def write(self, gallery: Home) -> None:
        """Replace those of a gallery; on disk when this returns.

        Raises:
            StorageError: the disk refused it.
        """
        with refusals(gallery.name):
            gallery.write(FILE, (json.dumps(vars(self)) + "\n").encode())


def unfinished(gallery: Home) -> Mapping[str, str]:
    """Id -> media digest of the images whose erasure has not ended; raises as Erasures.read."""
    return Erasures.read(gallery).images


def begin(gallery: Home, images: Mapping[str, str]) -> None:
    """Note that the erasure of these images begins, for the holder of the writer's lock.

    Raises:
        DamagedError, StorageError: see Erasures.
    """
    Erasures(Erasures.read(gallery).begun + 1, dict(images)).write(gallery)


def finish(gallery: Home) -> None:
    """Note that every erasure has ended; the caller has kept the receipt.

    Raises:
        DamagedError, StorageError: see Erasures.
    """
    found = Erasures.read(gallery)
    if found.images:
        Erasures(found.begun).write(gallery)
