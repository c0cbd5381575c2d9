"""The record of a report: its request and answer as data, embedded in the file as JSON.

A record that is read comes from a file that anyone may have edited, so everything is checked.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from partlens.client import decoding
from partlens.client.errors import ServerError
from partlens.client.report.errors import RecordError
from partlens.client.report.sources import QueryPicture
from partlens.common import strict_json
from partlens.common.gallery_names import UNNAMED
from partlens.common.media_digest import media_digest
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import report_pb2 as pb

FORMAT = 1
MOST_BYTES = 64 * 2**20
"""Largest record, as JSON; a picture takes four thirds of its bytes."""
_DEEPEST = 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)


def gallery_of(record: pb.ReportRecord) -> str:
    """Name of the gallery that was searched; "" if its server served one without a name."""
    name = record.origin.gallery
    return "" if name == UNNAMED else name


def images_of(record: pb.ReportRecord) -> Sequence[image_pb.QueryImage]:
    """The images of the request, in its order, then those of its marks; they can be changed."""
    if record.WhichOneof("content") == "pair":
        return [record.pair.request.query, record.pair.request.retrieved]
    asked = record.search.request
    return [*asked.images, *(mark.image for mark in asked.marks)]


def queries_of(record: pb.ReportRecord) -> Sequence[image_pb.DescribedQuery]:
    """What the server said of those images."""
    if record.WhichOneof("content") == "pair":
        return [record.pair.response.query, record.pair.response.retrieved]
    answered = record.search.response
    return [*answered.queries, *answered.marks]


def with_pictures(record: pb.ReportRecord, pictures: Sequence[QueryPicture]) -> pb.ReportRecord:
    """The record with its query images: those whose picture is known are embedded."""
    known = zip(images_of(record), queries_of(record), pictures, strict=True)
    for image, query, picture in known:
        if picture.original:
            image.data = picture.original
        record.pictures.append(
            pb.ReportPicture(name=picture.name, digest=picture.digest, query_id=query.query_id)
        )
    return record


def to_json(record: pb.ReportRecord) -> bytes:
    """The record as ASCII JSON that is safe inside an HTML script element.

    >>> b"<" in to_json(pb.ReportRecord(title="</script>"))
    False
    """
    plain = json_format.MessageToDict(record, preserving_proto_field_name=True)
    text = json.dumps(plain, separators=(",", ":"))
    for one in "<>&":
        text = text.replace(one, f"\\u{ord(one):04x}")
    return text.encode("ascii")


def from_json(data: bytes) -> pb.ReportRecord:
    """Inverse of to_json, for data from anywhere.

    Raises:
        RecordError: not a record, of another format, or incomplete.
    """
    if len(data) > MOST_BYTES:
        raise RecordError(f"the record has {len(data)} bytes; at most {MOST_BYTES} are allowed")
    try:
        plain = strict_json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"the record is not JSON: {str(error)[:200]}") from error
    record = _parsed(plain)
    _require_sound(record)
    return record


def _parsed(plain: Any) -> pb.ReportRecord:
    if not isinstance(plain, Mapping):
        raise RecordError("the record is not a JSON object")
    if plain.get("format") != FORMAT:
        raise RecordError(
            f"the record has format {str(plain.get('format'))[:20]}; this version of partlens reads"
            f" format {FORMAT}: use the version that wrote the report, or a later one"
        )
    record = pb.ReportRecord()
    try:
        json_format.ParseDict(dict(plain), record, max_recursion_depth=_DEEPEST)
    except (json_format.ParseError, ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise RecordError(f"the record is damaged: {str(error)[:200]}") from error
    return record


def _require_sound(record: pb.ReportRecord) -> None:
    """Raise RecordError if parts are missing or cannot belong together."""
    if record.WhichOneof("content") is None:
        raise RecordError("the record has neither a search nor a pair")
    for name, number in _numbers(record):
        if not math.isfinite(number):
            raise RecordError(f"{name} is {number}, not a finite number")
    images, queries = images_of(record), queries_of(record)
    if not len(images) == len(queries) == len(record.pictures):
        raise RecordError(
            f"the record has {len(images)} query images, {len(queries)} answers to them and"
            f" {len(record.pictures)} pictures; it needs as many of each"
        )
    _require_pictures(record)
    try:
        if record.HasField("pair"):
            decoding.pair(record.pair.response)
            _require_partial(record.pair)
        else:
            decoding.search(record.search.response)
            _require_hits(record.search.response.hits)
    except (ServerError, OverflowError) as error:
        raise RecordError(f"the record is damaged: {error}") from error


def _require_pictures(record: pb.ReportRecord) -> None:
    for number, (image, known) in enumerate(
        zip(images_of(record), record.pictures, strict=True), start=1
    ):
        if image.WhichOneof("source") is None:
            raise RecordError(f"query image {number} has no picture and no id")
        if known.digest and not _DIGEST.fullmatch(known.digest):
            raise RecordError(f"the digest of query image {number} is not sha256:...")
        if image.data and media_digest(image.data) != known.digest:
            raise RecordError(
                f"the picture of query image {number} does not have its digest, {known.digest}:"
                " the file was changed"
            )


def _require_partial(pair: pb.ReportedPair) -> None:
    regions, maps = len(pair.request.regions), len(pair.response.partial_maps)
    if regions != maps:
        raise RecordError(f"the record has {regions} regions and {maps} maps of them")


def _require_hits(hits: Sequence[search_pb.Hit]) -> None:
    ids = [hit.id for hit in hits]
    if "" in ids or len(set(ids)) < len(ids):
        raise RecordError("a hit has no id, or the same id as another")


def _numbers(message: Message, path: str = "") -> Iterator[tuple[str, float]]:
    """Path and value of every floating-point number in a message."""
    for field, value in message.ListFields():
        if field.cpp_type not in (*_FLOATS, FieldDescriptor.CPPTYPE_MESSAGE):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue  # maps hold texts only
        for one in value if field.is_repeated else (value,):
            name = f"{path}{field.name}"
            if field.cpp_type in _FLOATS:
                yield name, one
            else:
                yield from _numbers(one, f"{name}.")
