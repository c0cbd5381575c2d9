import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from partlens.v1 import part_search_service_pb2 as _part_search_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportRecord(_message.Message):
    __slots__ = ("format", "title", "origin", "pictures", "search", "pair")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    PAIR_FIELD_NUMBER: _ClassVar[int]
    format: int
    title: str
    origin: ReportOrigin
    pictures: _containers.RepeatedCompositeFieldContainer[ReportPicture]
    search: ReportedSearch
    pair: ReportedPair
    def __init__(self, format: _Optional[int] = ..., title: _Optional[str] = ..., origin: _Optional[_Union[ReportOrigin, _Mapping]] = ..., pictures: _Optional[_Iterable[_Union[ReportPicture, _Mapping]]] = ..., search: _Optional[_Union[ReportedSearch, _Mapping]] = ..., pair: _Optional[_Union[ReportedPair, _Mapping]] = ...) -> None: ...

class ReportOrigin(_message.Message):
    __slots__ = ("made_at", "request_id", "caller", "server", "server_version", "client_version", "gallery_version", "model_name", "model_digest", "bias_share", "gallery")
    MADE_AT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    CLIENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    GALLERY_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    BIAS_SHARE_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    made_at: _timestamp_pb2.Timestamp
    request_id: str
    caller: str
    server: str
    server_version: str
    client_version: str
    gallery_version: int
    model_name: str
    model_digest: str
    bias_share: float
    gallery: str
    def __init__(self, made_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ..., caller: _Optional[str] = ..., server: _Optional[str] = ..., server_version: _Optional[str] = ..., client_version: _Optional[str] = ..., gallery_version: _Optional[int] = ..., model_name: _Optional[str] = ..., model_digest: _Optional[str] = ..., bias_share: _Optional[float] = ..., gallery: _Optional[str] = ...) -> None: ...

class ReportPicture(_message.Message):
    __slots__ = ("name", "digest", "query_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    query_id: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., query_id: _Optional[str] = ...) -> None: ...

class ReportedSearch(_message.Message):
    __slots__ = ("request", "response")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    request: _part_search_service_pb2.SearchRegionsRequest
    response: _part_search_service_pb2.SearchRegionsResponse
    def __init__(self, request: _Optional[_Union[_part_search_service_pb2.SearchRegionsRequest, _Mapping]] = ..., response: _Optional[_Union[_part_search_service_pb2.SearchRegionsResponse, _Mapping]] = ...) -> None: ...

class ReportedPair(_message.Message):
    __slots__ = ("request", "response")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    request: _part_search_service_pb2.ExplainPairRequest
    response: _part_search_service_pb2.ExplainPairResponse
    def __init__(self, request: _Optional[_Union[_part_search_service_pb2.ExplainPairRequest, _Mapping]] = ..., response: _Optional[_Union[_part_search_service_pb2.ExplainPairResponse, _Mapping]] = ...) -> None: ...
