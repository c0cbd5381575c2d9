"""Query images of a report, and where its numbers come from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from partlens.client.answers import GalleryAnswer
from partlens.common.media_digest import media_digest
from partlens.v1 import report_pb2 as pb


@dataclass(frozen=True)
class QueryPicture:
    """A query image, as far as it is known.

    Attributes:
        name: name of its file, or its id.
        shown: encoded picture to show, perhaps smaller; b"" if there is none.
        original: the encoded picture that the digest is of; b"" if it is not known.
        digest: "sha256:" and 64 hexadecimal digits; "" if it is not known.
    """

    name: str = ""
    shown: bytes = b""
    original: bytes = b""
    digest: str = ""

    @classmethod
    def given(cls, data: bytes, name: str = "") -> "QueryPicture":
        """An image given as an encoded picture."""
        return cls(name, data, data, media_digest(data))


def now() -> datetime:
    """The time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def origin_of(
    gallery: GalleryAnswer, server: str, request_id: str, gallery_version: int | None = None
) -> pb.ReportOrigin:
    """Where the numbers of a report that a client writes come from.

    Args:
        server: its address.
        request_id: of the call that gave the numbers.
        gallery_version: that the call saw; None for the gallery's version now.
    """
    origin = pb.ReportOrigin(
        request_id=request_id,
        caller="" if gallery.caller is None else gallery.caller.name,
        server=server,
        server_version=gallery.server_version,
        client_version=version("partlens"),
        gallery_version=gallery.version if gallery_version is None else gallery_version,
        model_name=gallery.model.name,
        model_digest=gallery.model.digest,
        bias_share=gallery.model.bias_share,
        gallery=gallery.gallery,
    )
    origin.made_at.FromDatetime(now())
    return origin
