import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from partlens.v1 import image_pb2 as _image_pb2
from partlens.v1 import part_search_service_pb2 as _part_search_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StandingQuery(_message.Message):
    __slots__ = ("id", "name", "threshold", "score", "filter", "created_at", "created_revision", "paused", "gallery")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_REVISION_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    threshold: float
    score: _part_search_service_pb2.ScoreKind
    filter: _image_pb2.Filter
    created_at: _timestamp_pb2.Timestamp
    created_revision: int
    paused: bool
    gallery: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., threshold: _Optional[float] = ..., score: _Optional[_Union[_part_search_service_pb2.ScoreKind, str]] = ..., filter: _Optional[_Union[_image_pb2.Filter, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_revision: _Optional[int] = ..., paused: _Optional[bool] = ..., gallery: _Optional[str] = ...) -> None: ...

class CreateStandingQueryRequest(_message.Message):
    __slots__ = ("name", "images", "regions", "filter", "score", "threshold", "marks", "exclude_identical", "gallery")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_IDENTICAL_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    name: str
    images: _containers.RepeatedCompositeFieldContainer[_image_pb2.QueryImage]
    regions: _containers.RepeatedCompositeFieldContainer[_part_search_service_pb2.QueryRegion]
    filter: _image_pb2.Filter
    score: _part_search_service_pb2.ScoreKind
    threshold: float
    marks: _containers.RepeatedCompositeFieldContainer[_part_search_service_pb2.Mark]
    exclude_identical: bool
    gallery: str
    def __init__(self, name: _Optional[str] = ..., images: _Optional[_Iterable[_Union[_image_pb2.QueryImage, _Mapping]]] = ..., regions: _Optional[_Iterable[_Union[_part_search_service_pb2.QueryRegion, _Mapping]]] = ..., filter: _Optional[_Union[_image_pb2.Filter, _Mapping]] = ..., score: _Optional[_Union[_part_search_service_pb2.ScoreKind, str]] = ..., threshold: _Optional[float] = ..., marks: _Optional[_Iterable[_Union[_part_search_service_pb2.Mark, _Mapping]]] = ..., exclude_identical: _Optional[bool] = ..., gallery: _Optional[str] = ...) -> None: ...

class CreateStandingQueryResponse(_message.Message):
    __slots__ = ("standing_query",)
    STANDING_QUERY_FIELD_NUMBER: _ClassVar[int]
    standing_query: StandingQuery
    def __init__(self, standing_query: _Optional[_Union[StandingQuery, _Mapping]] = ...) -> None: ...

class ListStandingQueriesRequest(_message.Message):
    __slots__ = ("gallery",)
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    gallery: str
    def __init__(self, gallery: _Optional[str] = ...) -> None: ...

class ListStandingQueriesResponse(_message.Message):
    __slots__ = ("standing_queries",)
    STANDING_QUERIES_FIELD_NUMBER: _ClassVar[int]
    standing_queries: _containers.RepeatedCompositeFieldContainer[StandingQuery]
    def __init__(self, standing_queries: _Optional[_Iterable[_Union[StandingQuery, _Mapping]]] = ...) -> None: ...

class UpdateStandingQueryRequest(_message.Message):
    __slots__ = ("id", "name", "threshold", "paused", "gallery")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    threshold: float
    paused: bool
    gallery: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., threshold: _Optional[float] = ..., paused: _Optional[bool] = ..., gallery: _Optional[str] = ...) -> None: ...

class UpdateStandingQueryResponse(_message.Message):
    __slots__ = ("standing_query",)
    STANDING_QUERY_FIELD_NUMBER: _ClassVar[int]
    standing_query: StandingQuery
    def __init__(self, standing_query: _Optional[_Union[StandingQuery, _Mapping]] = ...) -> None: ...

class DeleteStandingQueryRequest(_message.Message):
    __slots__ = ("id", "gallery")
    ID_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    id: str
    gallery: str
    def __init__(self, id: _Optional[str] = ..., gallery: _Optional[str] = ...) -> None: ...

class DeleteStandingQueryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchMatchesRequest(_message.Message):
    __slots__ = ("standing_query_ids", "after_revision", "gallery", "revision_gallery")
    STANDING_QUERY_IDS_FIELD_NUMBER: _ClassVar[int]
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    REVISION_GALLERY_FIELD_NUMBER: _ClassVar[int]
    standing_query_ids: _containers.RepeatedScalarFieldContainer[str]
    after_revision: int
    gallery: str
    revision_gallery: str
    def __init__(self, standing_query_ids: _Optional[_Iterable[str]] = ..., after_revision: _Optional[int] = ..., gallery: _Optional[str] = ..., revision_gallery: _Optional[str] = ...) -> None: ...

class WatchMatchesResponse(_message.Message):
    __slots__ = ("revision", "standing_query_id", "standing_query_name", "hit", "gallery")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STANDING_QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    STANDING_QUERY_NAME_FIELD_NUMBER: _ClassVar[int]
    HIT_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    standing_query_id: str
    standing_query_name: str
    hit: _part_search_service_pb2.Hit
    gallery: str
    def __init__(self, revision: _Optional[int] = ..., standing_query_id: _Optional[str] = ..., standing_query_name: _Optional[str] = ..., hit: _Optional[_Union[_part_search_service_pb2.Hit, _Mapping]] = ..., gallery: _Optional[str] = ...) -> None: ...
