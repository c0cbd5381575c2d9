from partlens.v1 import part_search_service_pb2 as _part_search_service_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_FORMAT_UNSPECIFIED: _ClassVar[ReportFormat]
    REPORT_FORMAT_HTML: _ClassVar[ReportFormat]
    REPORT_FORMAT_PDF: _ClassVar[ReportFormat]
REPORT_FORMAT_UNSPECIFIED: ReportFormat
REPORT_FORMAT_HTML: ReportFormat
REPORT_FORMAT_PDF: ReportFormat

class ReportSearchRequest(_message.Message):
    __slots__ = ("search", "format", "title")
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    search: _part_search_service_pb2.SearchRegionsRequest
    format: ReportFormat
    title: str
    def __init__(self, search: _Optional[_Union[_part_search_service_pb2.SearchRegionsRequest, _Mapping]] = ..., format: _Optional[_Union[ReportFormat, str]] = ..., title: _Optional[str] = ...) -> None: ...

class ReportSearchResponse(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: ReportFile
    def __init__(self, report: _Optional[_Union[ReportFile, _Mapping]] = ...) -> None: ...

class ReportPairRequest(_message.Message):
    __slots__ = ("pair", "format", "title")
    PAIR_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    pair: _part_search_service_pb2.ExplainPairRequest
    format: ReportFormat
    title: str
    def __init__(self, pair: _Optional[_Union[_part_search_service_pb2.ExplainPairRequest, _Mapping]] = ..., format: _Optional[_Union[ReportFormat, str]] = ..., title: _Optional[str] = ...) -> None: ...

class ReportPairResponse(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: ReportFile
    def __init__(self, report: _Optional[_Union[ReportFile, _Mapping]] = ...) -> None: ...

class ReportFile(_message.Message):
    __slots__ = ("data", "media_type", "name")
    DATA_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    media_type: str
    name: str
    def __init__(self, data: _Optional[bytes] = ..., media_type: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...
