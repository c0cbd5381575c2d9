"""Images in an object store that speaks S3."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from partlens.common.bucket_address import SCHEME, split_address
from partlens.common.ids import IdError, require_id
from partlens.common.metadata import Metadata
from partlens.common.pictures import DEFAULT_LIMITS, ImageLimits
from partlens.common.text import visible
from partlens.explainer.errors import ImageError
from partlens.explainer.images import SUFFIXES
from partlens.indexer.errors import SourceError
from partlens.indexer.object_stores import access
from partlens.indexer.object_stores.errors import reason
from partlens.indexer.sources.folder import by_ending
from partlens.indexer.sources.image import MissingImage, SourceImage
from partlens.indexer.stated import NOTHING_STATED, Stated


@dataclass(frozen=True)
class ObjectImage:
    """A SourceImage in an object store.

    Attributes:
        id, uri, metadata, stated: see SourceImage; the uri is s3://bucket/key.
    """

    id: str
    uri: str
    metadata: Metadata = field(default_factory=Metadata)
    stated: Stated = NOTHING_STATED

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """Read the object if it is within the limits; see SourceImage."""
        try:
            bucket, key = split_address(self.uri)
            found = obstore.get(_store(bucket, access.endpoint()), key)
            size = found.meta["size"]
            if size > limits.max_bytes:
                raise ImageError(
                    f"the object has {size} bytes; at most {limits.max_bytes} are allowed"
                )
            return bytes(found.bytes())
        except (BaseError, OSError) as error:
            raise ImageError(f"the object cannot be read: {reason(error)}") from error
        except ValueError as error:
            raise ImageError(str(error)) from error


def object_images(address: str) -> tuple[tuple[SourceImage, ...], str]:
    """The images of a bucket, or of those below a prefix, and everything else, in one line.

    Ids and order are those of a folder with the name of the prefix, or of the bucket if there is no
    prefix; see folder_images. The environment says where the store is and who asks, in the
    variables that AWS's own tools read: AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and others.

    Args:
        address: s3://bucket or s3://bucket/prefix.

    Raises:
        SourceError: the address names no bucket, or the bucket cannot be listed.
    """
    try:
        bucket, prefix = split_address(address)
    except ValueError as error:
        raise SourceError(str(error)) from error
    found = [PurePosixPath(key) for key in _keys(address, bucket, prefix.strip("/"))]
    paths = sorted(found, key=lambda path: path.parts)
    images = [path for path in paths if path.suffix.lower() in SUFFIXES]
    others = by_ending(path for path in paths if path.suffix.lower() not in SUFFIXES)
    root = PurePosixPath(prefix.strip("/"))
    return tuple(_image(bucket, root, path) for path in images), others


def _keys(address: str, bucket: str, prefix: str) -> list[str]:
    try:
        chunks = obstore.list(_store(bucket, access.endpoint()), prefix or None)
        return [str(one["path"]) for chunk in chunks for one in chunk]
    except (BaseError, OSError) as error:
        raise SourceError(f"{address} cannot be listed: {reason(error)}") from error


def _image(bucket: str, root: PurePosixPath, path: PurePosixPath) -> SourceImage:
    id = f"{root.name or bucket}/{path.relative_to(root)}"
    uri = f"{SCHEME}{bucket}/{path}"
    try:
        require_id(id)
    except IdError as error:
        return MissingImage(visible(id), uri, Metadata(), str(error))
    return ObjectImage(id, uri)


@cache
def _store(bucket: str, endpoint: str) -> S3Store:
    """A client, whose connections are kept, for each bucket of each store."""
    return access.store(bucket, patience=access.LONG)
