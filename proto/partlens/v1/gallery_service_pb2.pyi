import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from partlens.v1 import image_pb2 as _image_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UpsertImagesRequest(_message.Message):
    __slots__ = ("id", "data", "uri", "metadata", "gallery")
    ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    id: str
    data: bytes
    uri: str
    metadata: _image_pb2.ImageMetadata
    gallery: str
    def __init__(self, id: _Optional[str] = ..., data: _Optional[bytes] = ..., uri: _Optional[str] = ..., metadata: _Optional[_Union[_image_pb2.ImageMetadata, _Mapping]] = ..., gallery: _Optional[str] = ...) -> None: ...

class UpsertImagesResponse(_message.Message):
    __slots__ = ("id", "index", "committed", "refused")
    ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    id: str
    index: int
    committed: UpsertCommitted
    refused: UpsertRefused
    def __init__(self, id: _Optional[str] = ..., index: _Optional[int] = ..., committed: _Optional[_Union[UpsertCommitted, _Mapping]] = ..., refused: _Optional[_Union[UpsertRefused, _Mapping]] = ...) -> None: ...

class UpsertCommitted(_message.Message):
    __slots__ = ("gallery_version", "width", "height", "replaced", "gallery")
    GALLERY_VERSION_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    gallery_version: int
    width: int
    height: int
    replaced: bool
    gallery: str
    def __init__(self, gallery_version: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., replaced: _Optional[bool] = ..., gallery: _Optional[str] = ...) -> None: ...

class UpsertRefused(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class UpsertImageRequest(_message.Message):
    __slots__ = ("id", "data", "uri", "metadata", "gallery")
    ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    id: str
    data: bytes
    uri: str
    metadata: _image_pb2.ImageMetadata
    gallery: str
    def __init__(self, id: _Optional[str] = ..., data: _Optional[bytes] = ..., uri: _Optional[str] = ..., metadata: _Optional[_Union[_image_pb2.ImageMetadata, _Mapping]] = ..., gallery: _Optional[str] = ...) -> None: ...

class UpsertImageResponse(_message.Message):
    __slots__ = ("committed",)
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    committed: UpsertCommitted
    def __init__(self, committed: _Optional[_Union[UpsertCommitted, _Mapping]] = ...) -> None: ...

class UpdateImagesRequest(_message.Message):
    __slots__ = ("updates", "gallery")
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    updates: _containers.RepeatedCompositeFieldContainer[ImageUpdate]
    gallery: str
    def __init__(self, updates: _Optional[_Iterable[_Union[ImageUpdate, _Mapping]]] = ..., gallery: _Optional[str] = ...) -> None: ...

class ImageUpdate(_message.Message):
    __slots__ = ("id", "metadata", "uri", "update_mask", "set_attributes", "remove_attributes", "expected_revision")
    class SetAttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    SET_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    REMOVE_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    id: str
    metadata: _image_pb2.ImageMetadata
    uri: str
    update_mask: _field_mask_pb2.FieldMask
    set_attributes: _containers.ScalarMap[str, str]
    remove_attributes: _containers.RepeatedScalarFieldContainer[str]
    expected_revision: int
    def __init__(self, id: _Optional[str] = ..., metadata: _Optional[_Union[_image_pb2.ImageMetadata, _Mapping]] = ..., uri: _Optional[str] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., set_attributes: _Optional[_Mapping[str, str]] = ..., remove_attributes: _Optional[_Iterable[str]] = ..., expected_revision: _Optional[int] = ...) -> None: ...

class UpdateImagesResponse(_message.Message):
    __slots__ = ("gallery_version", "updated", "unchanged", "unknown_ids", "stale_ids")
    GALLERY_VERSION_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_IDS_FIELD_NUMBER: _ClassVar[int]
    STALE_IDS_FIELD_NUMBER: _ClassVar[int]
    gallery_version: int
    updated: int
    unchanged: int
    unknown_ids: _containers.RepeatedScalarFieldContainer[str]
    stale_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, gallery_version: _Optional[int] = ..., updated: _Optional[int] = ..., unchanged: _Optional[int] = ..., unknown_ids: _Optional[_Iterable[str]] = ..., stale_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetImageRequest(_message.Message):
    __slots__ = ("id", "gallery")
    ID_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    id: str
    gallery: str
    def __init__(self, id: _Optional[str] = ..., gallery: _Optional[str] = ...) -> None: ...

class GetImageResponse(_message.Message):
    __slots__ = ("image", "thumbnail")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    image: _image_pb2.GalleryImage
    thumbnail: bytes
    def __init__(self, image: _Optional[_Union[_image_pb2.GalleryImage, _Mapping]] = ..., thumbnail: _Optional[bytes] = ...) -> None: ...

class GetPictureRequest(_message.Message):
    __slots__ = ("image", "max_side", "gallery")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    MAX_SIDE_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    image: _image_pb2.QueryImage
    max_side: int
    gallery: str
    def __init__(self, image: _Optional[_Union[_image_pb2.QueryImage, _Mapping]] = ..., max_side: _Optional[int] = ..., gallery: _Optional[str] = ...) -> None: ...

class GetPictureResponse(_message.Message):
    __slots__ = ("data", "media_type", "from_thumbnail")
    DATA_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    FROM_THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    media_type: str
    from_thumbnail: bool
    def __init__(self, data: _Optional[bytes] = ..., media_type: _Optional[str] = ..., from_thumbnail: _Optional[bool] = ...) -> None: ...

class ListImagesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter", "include_thumbnails", "gallery", "prefix")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: _image_pb2.Filter
    include_thumbnails: bool
    gallery: str
    prefix: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[_image_pb2.Filter, _Mapping]] = ..., include_thumbnails: _Optional[bool] = ..., gallery: _Optional[str] = ..., prefix: _Optional[str] = ...) -> None: ...

class ListImagesResponse(_message.Message):
    __slots__ = ("images", "next_page_token", "thumbnails")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[_image_pb2.GalleryImage]
    next_page_token: str
    thumbnails: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, images: _Optional[_Iterable[_Union[_image_pb2.GalleryImage, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., thumbnails: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetFacetsRequest(_message.Message):
    __slots__ = ("filter", "values", "gallery")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    filter: _image_pb2.Filter
    values: int
    gallery: str
    def __init__(self, filter: _Optional[_Union[_image_pb2.Filter, _Mapping]] = ..., values: _Optional[int] = ..., gallery: _Optional[str] = ...) -> None: ...

class GetFacetsResponse(_message.Message):
    __slots__ = ("images", "cameras", "tracks", "attributes", "captured_first", "captured_last", "gallery_version")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_FIRST_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_LAST_FIELD_NUMBER: _ClassVar[int]
    GALLERY_VERSION_FIELD_NUMBER: _ClassVar[int]
    images: int
    cameras: Facet
    tracks: Facet
    attributes: _containers.RepeatedCompositeFieldContainer[Facet]
    captured_first: _timestamp_pb2.Timestamp
    captured_last: _timestamp_pb2.Timestamp
    gallery_version: int
    def __init__(self, images: _Optional[int] = ..., cameras: _Optional[_Union[Facet, _Mapping]] = ..., tracks: _Optional[_Union[Facet, _Mapping]] = ..., attributes: _Optional[_Iterable[_Union[Facet, _Mapping]]] = ..., captured_first: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., captured_last: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gallery_version: _Optional[int] = ...) -> None: ...

class Facet(_message.Message):
    __slots__ = ("name", "values", "distinct", "unknown")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    name: str
    values: _containers.RepeatedCompositeFieldContainer[FacetValue]
    distinct: int
    unknown: int
    def __init__(self, name: _Optional[str] = ..., values: _Optional[_Iterable[_Union[FacetValue, _Mapping]]] = ..., distinct: _Optional[int] = ..., unknown: _Optional[int] = ...) -> None: ...

class FacetValue(_message.Message):
    __slots__ = ("value", "images")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    value: str
    images: int
    def __init__(self, value: _Optional[str] = ..., images: _Optional[int] = ...) -> None: ...

class DeleteImagesRequest(_message.Message):
    __slots__ = ("ids", "gallery")
    IDS_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    gallery: str
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., gallery: _Optional[str] = ...) -> None: ...

class DeleteImagesResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    def __init__(self, deleted: _Optional[int] = ...) -> None: ...

class GetGalleryRequest(_message.Message):
    __slots__ = ("gallery",)
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    gallery: str
    def __init__(self, gallery: _Optional[str] = ...) -> None: ...

class GetGalleryResponse(_message.Message):
    __slots__ = ("version", "images", "model", "limits", "caller", "server_version", "indexing", "gallery")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    INDEXING_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    version: int
    images: int
    model: Model
    limits: Limits
    caller: Caller
    server_version: str
    indexing: Indexing
    gallery: str
    def __init__(self, version: _Optional[int] = ..., images: _Optional[int] = ..., model: _Optional[_Union[Model, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., caller: _Optional[_Union[Caller, _Mapping]] = ..., server_version: _Optional[str] = ..., indexing: _Optional[_Union[Indexing, _Mapping]] = ..., gallery: _Optional[str] = ...) -> None: ...

class Caller(_message.Message):
    __slots__ = ("name", "scopes", "cameras", "galleries")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    GALLERIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    cameras: _containers.RepeatedScalarFieldContainer[str]
    galleries: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., cameras: _Optional[_Iterable[str]] = ..., galleries: _Optional[_Iterable[str]] = ...) -> None: ...

class Indexing(_message.Message):
    __slots__ = ("done", "total", "skipped", "finished", "problem")
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    skipped: int
    finished: bool
    problem: str
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ..., skipped: _Optional[int] = ..., finished: _Optional[bool] = ..., problem: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "digest", "input_width", "input_height", "rows", "cols", "dimensions", "licence", "bias_share")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    INPUT_WIDTH_FIELD_NUMBER: _ClassVar[int]
    INPUT_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLS_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    BIAS_SHARE_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    input_width: int
    input_height: int
    rows: int
    cols: int
    dimensions: int
    licence: str
    bias_share: float
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., input_width: _Optional[int] = ..., input_height: _Optional[int] = ..., rows: _Optional[int] = ..., cols: _Optional[int] = ..., dimensions: _Optional[int] = ..., licence: _Optional[str] = ..., bias_share: _Optional[float] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("request_bytes", "image_pixels", "query_images", "regions", "search_page_size", "list_page_size", "marks", "pairs")
    REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    IMAGE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    QUERY_IMAGES_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    LIST_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    request_bytes: int
    image_pixels: int
    query_images: int
    regions: int
    search_page_size: int
    list_page_size: int
    marks: int
    pairs: int
    def __init__(self, request_bytes: _Optional[int] = ..., image_pixels: _Optional[int] = ..., query_images: _Optional[int] = ..., regions: _Optional[int] = ..., search_page_size: _Optional[int] = ..., list_page_size: _Optional[int] = ..., marks: _Optional[int] = ..., pairs: _Optional[int] = ...) -> None: ...

class ListGalleriesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListGalleriesResponse(_message.Message):
    __slots__ = ("galleries",)
    GALLERIES_FIELD_NUMBER: _ClassVar[int]
    galleries: _containers.RepeatedCompositeFieldContainer[GalleryName]
    def __init__(self, galleries: _Optional[_Iterable[_Union[GalleryName, _Mapping]]] = ...) -> None: ...

class GalleryName(_message.Message):
    __slots__ = ("name", "gallery", "default", "version", "images", "model", "moved_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MOVED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    gallery: str
    default: bool
    version: int
    images: int
    model: Model
    moved_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., gallery: _Optional[str] = ..., default: _Optional[bool] = ..., version: _Optional[int] = ..., images: _Optional[int] = ..., model: _Optional[_Union[Model, _Mapping]] = ..., moved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SetGalleryAliasRequest(_message.Message):
    __slots__ = ("alias", "gallery")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    alias: str
    gallery: str
    def __init__(self, alias: _Optional[str] = ..., gallery: _Optional[str] = ...) -> None: ...

class SetGalleryAliasResponse(_message.Message):
    __slots__ = ("before", "left")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    before: str
    left: _containers.RepeatedCompositeFieldContainer[StandingQueryLeft]
    def __init__(self, before: _Optional[str] = ..., left: _Optional[_Iterable[_Union[StandingQueryLeft, _Mapping]]] = ...) -> None: ...

class StandingQueryLeft(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DeleteGalleryAliasRequest(_message.Message):
    __slots__ = ("alias",)
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    alias: str
    def __init__(self, alias: _Optional[str] = ...) -> None: ...

class DeleteGalleryAliasResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
