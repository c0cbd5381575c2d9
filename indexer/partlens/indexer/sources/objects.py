"""Images in an object store that speaks S3."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from partlens.common.ids import IdError, require_id
from partlens.common.metadata import Metadata
from partlens.common.pictures import DEFAULT_LIMITS, ImageLimits
from partlens.common.text import visible
from partlens.explainer.errors import ImageError
from partlens.explainer.images import SUFFIXES
from partlens.indexer.errors import SourceError
from partlens.indexer.sources.folder import by_ending
from partlens.indexer.sources.image import MissingImage, SourceImage
from partlens.indexer.stated import NOTHING_STATED, Stated

_SCHEME = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_RETRIES: Mapping[str, Any] = {"max_retries": 6, "retry_timeout": timedelta(seconds=60)}
_MOST_SAID = 300


def is_object_store(source: str | Path) -> bool:
    """Whether a source is an address of an object store."""
    return isinstance(source, str) and source.lower().startswith(_SCHEME)


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
        bucket, key = _parts(self.uri)
        try:
            found = obstore.get(_store(bucket), key)
            size = found.meta["size"]
            if size > limits.max_bytes:
                raise ImageError(
                    f"the object has {size} bytes; at most {limits.max_bytes} are allowed"
                )
            return bytes(found.bytes())
        except (BaseError, OSError) as error:
            raise ImageError(f"the object cannot be read: {_said(error)}") from error


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
    bucket, prefix = _parts(address)
    if not _BUCKET.fullmatch(bucket):  # not quoted: it may hold a key
        raise SourceError(
            "the address names no bucket: write s3://bucket/prefix, and set AWS_ACCESS_KEY_ID,"
            " AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL in the environment"
        )
    found = [PurePosixPath(key) for key in _keys(address, bucket, prefix.strip("/"))]
    paths = sorted(found, key=lambda path: path.parts)
    images = [path for path in paths if path.suffix.lower() in SUFFIXES]
    others = by_ending(path for path in paths if path.suffix.lower() not in SUFFIXES)
    root = PurePosixPath(prefix.strip("/"))
    return tuple(_image(bucket, root, path) for path in images), others


def _keys(address: str, bucket: str, prefix: str) -> list[str]:
    try:
        chunks = obstore.list(_store(bucket), prefix or None)
        return [str(one["path"]) for chunk in chunks for one in chunk]
    except (BaseError, OSError, ValueError) as error:
        raise SourceError(f"{address} cannot be listed: {_said(error)}") from error


def _image(bucket: str, root: PurePosixPath, path: PurePosixPath) -> SourceImage:
    id = f"{root.name or bucket}/{path.relative_to(root)}"
    uri = f"{_SCHEME}{bucket}/{path}"
    try:
        require_id(id)
    except IdError as error:
        return MissingImage(visible(id), uri, Metadata(), str(error))
    return ObjectImage(id, uri)


def _parts(address: str) -> tuple[str, str]:
    bucket, _, key = address[len(_SCHEME) :].partition("/")
    return bucket, key


@cache
def _store(bucket: str) -> S3Store:
    # A store without TLS is used if its address says http://, and in no other case.
    return S3Store(bucket, client_options={"allow_http": True}, retry_config=_RETRIES)  # type: ignore[arg-type]


def _said(error: BaseException) -> str:
    """What the store said, in one line without the debugging output that may follow."""
    return " ".join(str(error).split("\n\n")[0].split())[:_MOST_SAID]
