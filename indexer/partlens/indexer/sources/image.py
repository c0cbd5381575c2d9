"""An image of a source, before it is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from partlens.common.files import read_file
from partlens.common.metadata import Metadata
from partlens.common.pictures import DEFAULT_LIMITS, ImageLimits
from partlens.explainer.errors import ImageError
from partlens.indexer.places import file_uri
from partlens.indexer.stated import NOTHING_STATED, Stated


class SourceImage(Protocol):
    """An image that may become part of a gallery."""

    @property
    def id(self) -> str:
        """Id of the image in the gallery."""
        ...

    @property
    def uri(self) -> str:
        """Address of the original."""
        ...

    @property
    def metadata(self) -> Metadata:
        """Metadata from the source."""
        ...

    @property
    def stated(self) -> Stated:
        """Fields that the source states."""
        ...

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """The encoded image.

        Raises:
            ImageError: the image exceeds the size limit or is missing.
            OSError: the image cannot be read.
        """
        ...


@dataclass(frozen=True)
class ImageFile:
    """A SourceImage that is a file.

    Attributes:
        id, metadata, stated: see SourceImage.
        path: path of the file.
    """

    id: str
    path: Path
    metadata: Metadata
    stated: Stated = NOTHING_STATED

    @property
    def uri(self) -> str:
        """URI of the file."""
        return file_uri(self.path)

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """Read the file if it is a regular file within the limits; see SourceImage."""
        data = read_file(self.path, limits.max_bytes + 1)
        if len(data) > limits.max_bytes:
            size = self.path.stat().st_size
            raise ImageError(f"the file has {size} bytes; at most {limits.max_bytes} are allowed")
        return data


@dataclass(frozen=True)
class MissingImage:
    """An image that the source lists but cannot provide; reading it raises the reason."""

    id: str
    uri: str
    metadata: Metadata
    reason: str
    stated: Stated = NOTHING_STATED

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """Raises ImageError."""
        raise ImageError(self.reason)
