import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from partlens.v1 import region_pb2 as _region_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class QueryImage(_message.Message):
    __slots__ = ("data", "gallery_id", "query_id")
    DATA_FIELD_NUMBER: _ClassVar[int]
    GALLERY_ID_FIELD_NUMBER: _ClassVar[int]
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    gallery_id: str
    query_id: str
    def __init__(self, data: _Optional[bytes] = ..., gallery_id: _Optional[str] = ..., query_id: _Optional[str] = ...) -> None: ...

class DescribedQuery(_message.Message):
    __slots__ = ("query_id", "width", "height", "rows", "cols", "extent", "row_centres", "col_centres")
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLS_FIELD_NUMBER: _ClassVar[int]
    EXTENT_FIELD_NUMBER: _ClassVar[int]
    ROW_CENTRES_FIELD_NUMBER: _ClassVar[int]
    COL_CENTRES_FIELD_NUMBER: _ClassVar[int]
    query_id: str
    width: int
    height: int
    rows: int
    cols: int
    extent: _region_pb2.Box
    row_centres: _containers.RepeatedScalarFieldContainer[float]
    col_centres: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, query_id: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., rows: _Optional[int] = ..., cols: _Optional[int] = ..., extent: _Optional[_Union[_region_pb2.Box, _Mapping]] = ..., row_centres: _Optional[_Iterable[float]] = ..., col_centres: _Optional[_Iterable[float]] = ...) -> None: ...

class ActivationMap(_message.Message):
    __slots__ = ("rows", "cols", "values", "extent", "row_centres", "col_centres")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    EXTENT_FIELD_NUMBER: _ClassVar[int]
    ROW_CENTRES_FIELD_NUMBER: _ClassVar[int]
    COL_CENTRES_FIELD_NUMBER: _ClassVar[int]
    rows: int
    cols: int
    values: _containers.RepeatedScalarFieldContainer[float]
    extent: _region_pb2.Box
    row_centres: _containers.RepeatedScalarFieldContainer[float]
    col_centres: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, rows: _Optional[int] = ..., cols: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ..., extent: _Optional[_Union[_region_pb2.Box, _Mapping]] = ..., row_centres: _Optional[_Iterable[float]] = ..., col_centres: _Optional[_Iterable[float]] = ...) -> None: ...

class ImageMetadata(_message.Message):
    __slots__ = ("camera", "track", "captured_at", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_AT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    camera: str
    track: str
    captured_at: _timestamp_pb2.Timestamp
    attributes: _containers.ScalarMap[str, str]
    def __init__(self, camera: _Optional[str] = ..., track: _Optional[str] = ..., captured_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GalleryImage(_message.Message):
    __slots__ = ("id", "uri", "media_digest", "width", "height", "metadata", "revision")
    ID_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    MEDIA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    id: str
    uri: str
    media_digest: str
    width: int
    height: int
    metadata: ImageMetadata
    revision: int
    def __init__(self, id: _Optional[str] = ..., uri: _Optional[str] = ..., media_digest: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., metadata: _Optional[_Union[ImageMetadata, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("cameras", "tracks", "captured_after", "captured_before", "attributes", "exclude_ids", "exclude_cameras", "exclude_media_digests", "ids", "attribute_conditions", "all_of", "any_of", "none_of")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_IDS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_CAMERAS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_MEDIA_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    ALL_OF_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    NONE_OF_FIELD_NUMBER: _ClassVar[int]
    cameras: _containers.RepeatedScalarFieldContainer[str]
    tracks: _containers.RepeatedScalarFieldContainer[str]
    captured_after: _timestamp_pb2.Timestamp
    captured_before: _timestamp_pb2.Timestamp
    attributes: _containers.ScalarMap[str, str]
    exclude_ids: _containers.RepeatedScalarFieldContainer[str]
    exclude_cameras: _containers.RepeatedScalarFieldContainer[str]
    exclude_media_digests: _containers.RepeatedScalarFieldContainer[str]
    ids: _containers.RepeatedScalarFieldContainer[str]
    attribute_conditions: _containers.RepeatedCompositeFieldContainer[AttributeCondition]
    all_of: _containers.RepeatedCompositeFieldContainer[Filter]
    any_of: _containers.RepeatedCompositeFieldContainer[Filter]
    none_of: _containers.RepeatedCompositeFieldContainer[Filter]
    def __init__(self, cameras: _Optional[_Iterable[str]] = ..., tracks: _Optional[_Iterable[str]] = ..., captured_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., captured_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., exclude_ids: _Optional[_Iterable[str]] = ..., exclude_cameras: _Optional[_Iterable[str]] = ..., exclude_media_digests: _Optional[_Iterable[str]] = ..., ids: _Optional[_Iterable[str]] = ..., attribute_conditions: _Optional[_Iterable[_Union[AttributeCondition, _Mapping]]] = ..., all_of: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ..., any_of: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ..., none_of: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ...) -> None: ...

class AttributeCondition(_message.Message):
    __slots__ = ("name", "any", "numbers", "times", "exists")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ANY_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    any: TextList
    numbers: NumberRange
    times: TimeRange
    exists: AnyValue
    def __init__(self, name: _Optional[str] = ..., any: _Optional[_Union[TextList, _Mapping]] = ..., numbers: _Optional[_Union[NumberRange, _Mapping]] = ..., times: _Optional[_Union[TimeRange, _Mapping]] = ..., exists: _Optional[_Union[AnyValue, _Mapping]] = ...) -> None: ...

class AnyValue(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TextList(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class NumberRange(_message.Message):
    __slots__ = ("gt", "gte", "lt", "lte")
    GT_FIELD_NUMBER: _ClassVar[int]
    GTE_FIELD_NUMBER: _ClassVar[int]
    LT_FIELD_NUMBER: _ClassVar[int]
    LTE_FIELD_NUMBER: _ClassVar[int]
    gt: float
    gte: float
    lt: float
    lte: float
    def __init__(self, gt: _Optional[float] = ..., gte: _Optional[float] = ..., lt: _Optional[float] = ..., lte: _Optional[float] = ...) -> None: ...

class TimeRange(_message.Message):
    __slots__ = ("gt", "gte", "lt", "lte")
    GT_FIELD_NUMBER: _ClassVar[int]
    GTE_FIELD_NUMBER: _ClassVar[int]
    LT_FIELD_NUMBER: _ClassVar[int]
    LTE_FIELD_NUMBER: _ClassVar[int]
    gt: _timestamp_pb2.Timestamp
    gte: _timestamp_pb2.Timestamp
    lt: _timestamp_pb2.Timestamp
    lte: _timestamp_pb2.Timestamp
    def __init__(self, gt: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gte: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lt: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lte: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
