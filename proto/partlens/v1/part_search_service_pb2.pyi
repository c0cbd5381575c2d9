from partlens.v1 import image_pb2 as _image_pb2
from partlens.v1 import region_pb2 as _region_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_KIND_UNSPECIFIED: _ClassVar[ScoreKind]
    SCORE_KIND_DEFAULT: _ClassVar[ScoreKind]
    SCORE_KIND_WHOLE: _ClassVar[ScoreKind]
    SCORE_KIND_PART: _ClassVar[ScoreKind]
    SCORE_KIND_CONTEXT: _ClassVar[ScoreKind]

class MapKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MAP_KIND_UNSPECIFIED: _ClassVar[MapKind]
    MAP_KIND_NONE: _ClassVar[MapKind]
    MAP_KIND_SCORE: _ClassVar[MapKind]
    MAP_KIND_OVERALL: _ClassVar[MapKind]
    MAP_KIND_REGIONS: _ClassVar[MapKind]

class PairSide(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAIR_SIDE_UNSPECIFIED: _ClassVar[PairSide]
    PAIR_SIDE_QUERY: _ClassVar[PairSide]
    PAIR_SIDE_RETRIEVED: _ClassVar[PairSide]
SCORE_KIND_UNSPECIFIED: ScoreKind
SCORE_KIND_DEFAULT: ScoreKind
SCORE_KIND_WHOLE: ScoreKind
SCORE_KIND_PART: ScoreKind
SCORE_KIND_CONTEXT: ScoreKind
MAP_KIND_UNSPECIFIED: MapKind
MAP_KIND_NONE: MapKind
MAP_KIND_SCORE: MapKind
MAP_KIND_OVERALL: MapKind
MAP_KIND_REGIONS: MapKind
PAIR_SIDE_UNSPECIFIED: PairSide
PAIR_SIDE_QUERY: PairSide
PAIR_SIDE_RETRIEVED: PairSide

class QueryRegion(_message.Message):
    __slots__ = ("image_index", "region", "weight", "exclude")
    IMAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    image_index: int
    region: _region_pb2.Region
    weight: float
    exclude: bool
    def __init__(self, image_index: _Optional[int] = ..., region: _Optional[_Union[_region_pb2.Region, _Mapping]] = ..., weight: _Optional[float] = ..., exclude: _Optional[bool] = ...) -> None: ...

class Mark(_message.Message):
    __slots__ = ("image", "region", "region_index", "weight", "unlike")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    REGION_INDEX_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    UNLIKE_FIELD_NUMBER: _ClassVar[int]
    image: _image_pb2.QueryImage
    region: _region_pb2.Region
    region_index: int
    weight: float
    unlike: bool
    def __init__(self, image: _Optional[_Union[_image_pb2.QueryImage, _Mapping]] = ..., region: _Optional[_Union[_region_pb2.Region, _Mapping]] = ..., region_index: _Optional[int] = ..., weight: _Optional[float] = ..., unlike: _Optional[bool] = ...) -> None: ...

class SearchRegionsRequest(_message.Message):
    __slots__ = ("images", "regions", "filter", "score", "page_size", "page_token", "maps", "include_thumbnails", "group_by", "marks", "exclude_identical", "gallery", "allow_partial")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MAPS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_IDENTICAL_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[_image_pb2.QueryImage]
    regions: _containers.RepeatedCompositeFieldContainer[QueryRegion]
    filter: _image_pb2.Filter
    score: ScoreKind
    page_size: int
    page_token: str
    maps: _containers.RepeatedScalarFieldContainer[MapKind]
    include_thumbnails: bool
    group_by: str
    marks: _containers.RepeatedCompositeFieldContainer[Mark]
    exclude_identical: bool
    gallery: str
    allow_partial: bool
    def __init__(self, images: _Optional[_Iterable[_Union[_image_pb2.QueryImage, _Mapping]]] = ..., regions: _Optional[_Iterable[_Union[QueryRegion, _Mapping]]] = ..., filter: _Optional[_Union[_image_pb2.Filter, _Mapping]] = ..., score: _Optional[_Union[ScoreKind, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., maps: _Optional[_Iterable[_Union[MapKind, str]]] = ..., include_thumbnails: _Optional[bool] = ..., group_by: _Optional[str] = ..., marks: _Optional[_Iterable[_Union[Mark, _Mapping]]] = ..., exclude_identical: _Optional[bool] = ..., gallery: _Optional[str] = ..., allow_partial: _Optional[bool] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("id", "score", "map", "constant", "box", "image", "thumbnail", "overall_maps", "region_maps", "group", "others_in_group")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    MAP_FIELD_NUMBER: _ClassVar[int]
    CONSTANT_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    OVERALL_MAPS_FIELD_NUMBER: _ClassVar[int]
    REGION_MAPS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    OTHERS_IN_GROUP_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    map: _image_pb2.ActivationMap
    constant: float
    box: _region_pb2.Box
    image: _image_pb2.GalleryImage
    thumbnail: bytes
    overall_maps: _containers.RepeatedCompositeFieldContainer[_image_pb2.ActivationMap]
    region_maps: _containers.RepeatedCompositeFieldContainer[_image_pb2.ActivationMap]
    group: str
    others_in_group: int
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., map: _Optional[_Union[_image_pb2.ActivationMap, _Mapping]] = ..., constant: _Optional[float] = ..., box: _Optional[_Union[_region_pb2.Box, _Mapping]] = ..., image: _Optional[_Union[_image_pb2.GalleryImage, _Mapping]] = ..., thumbnail: _Optional[bytes] = ..., overall_maps: _Optional[_Iterable[_Union[_image_pb2.ActivationMap, _Mapping]]] = ..., region_maps: _Optional[_Iterable[_Union[_image_pb2.ActivationMap, _Mapping]]] = ..., group: _Optional[str] = ..., others_in_group: _Optional[int] = ...) -> None: ...

class SearchRegionsResponse(_message.Message):
    __slots__ = ("hits", "next_page_token", "queries", "gallery_version", "marks", "gallery", "shards_ok", "shards_total")
    HITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    GALLERY_VERSION_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    SHARDS_OK_FIELD_NUMBER: _ClassVar[int]
    SHARDS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    next_page_token: str
    queries: _containers.RepeatedCompositeFieldContainer[_image_pb2.DescribedQuery]
    gallery_version: int
    marks: _containers.RepeatedCompositeFieldContainer[_image_pb2.DescribedQuery]
    gallery: str
    shards_ok: int
    shards_total: int
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[_image_pb2.DescribedQuery, _Mapping]]] = ..., gallery_version: _Optional[int] = ..., marks: _Optional[_Iterable[_Union[_image_pb2.DescribedQuery, _Mapping]]] = ..., gallery: _Optional[str] = ..., shards_ok: _Optional[int] = ..., shards_total: _Optional[int] = ...) -> None: ...

class PairRegion(_message.Message):
    __slots__ = ("side", "region")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    side: PairSide
    region: _region_pb2.Region
    def __init__(self, side: _Optional[_Union[PairSide, str]] = ..., region: _Optional[_Union[_region_pb2.Region, _Mapping]] = ...) -> None: ...

class ExplainPairRequest(_message.Message):
    __slots__ = ("query", "retrieved", "regions", "pairs", "gallery")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    RETRIEVED_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    query: _image_pb2.QueryImage
    retrieved: _image_pb2.QueryImage
    regions: _containers.RepeatedCompositeFieldContainer[PairRegion]
    pairs: PairSelection
    gallery: str
    def __init__(self, query: _Optional[_Union[_image_pb2.QueryImage, _Mapping]] = ..., retrieved: _Optional[_Union[_image_pb2.QueryImage, _Mapping]] = ..., regions: _Optional[_Iterable[_Union[PairRegion, _Mapping]]] = ..., pairs: _Optional[_Union[PairSelection, _Mapping]] = ..., gallery: _Optional[str] = ...) -> None: ...

class PairSelection(_message.Message):
    __slots__ = ("side", "positions")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    side: PairSide
    positions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, side: _Optional[_Union[PairSide, str]] = ..., positions: _Optional[_Iterable[int]] = ...) -> None: ...

class PairMatrix(_message.Message):
    __slots__ = ("side", "positions", "values", "scale", "bias", "other_bias")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    BIAS_FIELD_NUMBER: _ClassVar[int]
    OTHER_BIAS_FIELD_NUMBER: _ClassVar[int]
    side: PairSide
    positions: _containers.RepeatedScalarFieldContainer[int]
    values: bytes
    scale: float
    bias: _containers.RepeatedScalarFieldContainer[float]
    other_bias: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, side: _Optional[_Union[PairSide, str]] = ..., positions: _Optional[_Iterable[int]] = ..., values: _Optional[bytes] = ..., scale: _Optional[float] = ..., bias: _Optional[_Iterable[float]] = ..., other_bias: _Optional[_Iterable[float]] = ...) -> None: ...

class SimilarityTerms(_message.Message):
    __slots__ = ("position_position", "position_bias", "bias_position", "bias_bias")
    POSITION_POSITION_FIELD_NUMBER: _ClassVar[int]
    POSITION_BIAS_FIELD_NUMBER: _ClassVar[int]
    BIAS_POSITION_FIELD_NUMBER: _ClassVar[int]
    BIAS_BIAS_FIELD_NUMBER: _ClassVar[int]
    position_position: float
    position_bias: float
    bias_position: float
    bias_bias: float
    def __init__(self, position_position: _Optional[float] = ..., position_bias: _Optional[float] = ..., bias_position: _Optional[float] = ..., bias_bias: _Optional[float] = ...) -> None: ...

class PartialMap(_message.Message):
    __slots__ = ("side", "map", "constant")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    MAP_FIELD_NUMBER: _ClassVar[int]
    CONSTANT_FIELD_NUMBER: _ClassVar[int]
    side: PairSide
    map: _image_pb2.ActivationMap
    constant: float
    def __init__(self, side: _Optional[_Union[PairSide, str]] = ..., map: _Optional[_Union[_image_pb2.ActivationMap, _Mapping]] = ..., constant: _Optional[float] = ...) -> None: ...

class ExplainPairResponse(_message.Message):
    __slots__ = ("similarity", "terms", "query_map", "query_map_with_bias", "retrieved_map", "retrieved_map_with_bias", "partial_maps", "query", "retrieved", "pairs")
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    QUERY_MAP_FIELD_NUMBER: _ClassVar[int]
    QUERY_MAP_WITH_BIAS_FIELD_NUMBER: _ClassVar[int]
    RETRIEVED_MAP_FIELD_NUMBER: _ClassVar[int]
    RETRIEVED_MAP_WITH_BIAS_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_MAPS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    RETRIEVED_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    similarity: float
    terms: SimilarityTerms
    query_map: _image_pb2.ActivationMap
    query_map_with_bias: _image_pb2.ActivationMap
    retrieved_map: _image_pb2.ActivationMap
    retrieved_map_with_bias: _image_pb2.ActivationMap
    partial_maps: _containers.RepeatedCompositeFieldContainer[PartialMap]
    query: _image_pb2.DescribedQuery
    retrieved: _image_pb2.DescribedQuery
    pairs: PairMatrix
    def __init__(self, similarity: _Optional[float] = ..., terms: _Optional[_Union[SimilarityTerms, _Mapping]] = ..., query_map: _Optional[_Union[_image_pb2.ActivationMap, _Mapping]] = ..., query_map_with_bias: _Optional[_Union[_image_pb2.ActivationMap, _Mapping]] = ..., retrieved_map: _Optional[_Union[_image_pb2.ActivationMap, _Mapping]] = ..., retrieved_map_with_bias: _Optional[_Union[_image_pb2.ActivationMap, _Mapping]] = ..., partial_maps: _Optional[_Iterable[_Union[PartialMap, _Mapping]]] = ..., query: _Optional[_Union[_image_pb2.DescribedQuery, _Mapping]] = ..., retrieved: _Optional[_Union[_image_pb2.DescribedQuery, _Mapping]] = ..., pairs: _Optional[_Union[PairMatrix, _Mapping]] = ...) -> None: ...

class DescribeQueryRequest(_message.Message):
    __slots__ = ("image", "regions", "gallery")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    image: _image_pb2.QueryImage
    regions: _containers.RepeatedCompositeFieldContainer[_region_pb2.Region]
    gallery: str
    def __init__(self, image: _Optional[_Union[_image_pb2.QueryImage, _Mapping]] = ..., regions: _Optional[_Iterable[_Union[_region_pb2.Region, _Mapping]]] = ..., gallery: _Optional[str] = ...) -> None: ...

class DescribeQueryResponse(_message.Message):
    __slots__ = ("query", "coverage", "model_digest")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    query: _image_pb2.DescribedQuery
    coverage: _containers.RepeatedCompositeFieldContainer[_image_pb2.ActivationMap]
    model_digest: str
    def __init__(self, query: _Optional[_Union[_image_pb2.DescribedQuery, _Mapping]] = ..., coverage: _Optional[_Iterable[_Union[_image_pb2.ActivationMap, _Mapping]]] = ..., model_digest: _Optional[str] = ...) -> None: ...
