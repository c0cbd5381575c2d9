"""Which erasures have begun and not ended, on disk: a later one finishes those that were killed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from partlens.common.durable import write_atomically
from partlens.common.files import read_file
from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery.durability import refusals

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
    def read(cls, gallery: Path) -> "Erasures":
        """Read those of a gallery.

        Raises:
            DamagedError: the file cannot be read.
        """
        try:
            plain = json.loads(read_file(gallery / FILE))
            images = {str(id): str(digest) for id, digest in plain["images"].items()}
            return cls(int(plain["begun"]), images)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedError(
                f"{gallery / FILE} lists the images whose erasure was interrupted, and cannot be"
                f" read ({error}); restore it, or remove it and erase these images by id"
            ) from error

    def write(self, gallery: Path) -> None:
        """Replace those of a gallery; on disk when this returns.

        Raises:
            StorageError: the disk refused it.
        """
        with refusals(gallery.name):
            write_atomically(gallery / FILE, json.dumps(vars(self)) + "\n")


def unfinished(gallery: Path) -> Mapping[str, str]:
    """Id -> media digest of the images whose erasure has not ended; raises as Erasures.read."""
    return Erasures.read(gallery).images


def begin(gallery: Path, images: Mapping[str, str]) -> None:
    """Note that the erasure of these images begins, for the holder of the writer's lock.

    Raises:
        DamagedError, StorageError: see Erasures.
    """
    Erasures(Erasures.read(gallery).begun + 1, dict(images)).write(gallery)


def finish(gallery: Path) -> None:
    """Note that every erasure has ended; the caller has kept the receipt.

    Raises:
        DamagedError, StorageError: see Erasures.
    """
    found = Erasures.read(gallery)
    if found.images:
        Erasures(found.begun).write(gallery)
