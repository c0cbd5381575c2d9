"""Activation decomposition for metric-learning models (Zhu, Yang, Chen, 2021).

Names are imported when they are first used: torch takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partlens.common.activation_map import ActivationMap
    from partlens.common.drawing.errors import FigureError
    from partlens.common.drawing.figure import Figure
    from partlens.common.regions import Box, Mask, Point, Polygon, Whole
    from partlens.explainer.comparators import COMPARATORS, Comparator, Target
    from partlens.explainer.decomposition import Decomposition
    from partlens.explainer.decompositions import Decompositions
    from partlens.explainer.errors import (
        CompletenessError,
        ExplainerError,
        ImageError,
        ModelError,
        ModelFileError,
        RegionError,
        ShapeError,
        UnsupportedOperatorError,
    )
    from partlens.explainer.model import MetricModel
    from partlens.explainer.pair import FourTerms, PairExplanation, PositionPairs
    from partlens.explainer.preprocessing import Preprocessing
    from partlens.explainer.reading import ImageLike, ImagesLike, read_image
    from partlens.explainer.similarity_map import SimilarityMap
    from partlens.explainer.spec import ModelSpec
    from partlens.explainer.view import View

_PLACES = {
    "partlens.common.activation_map": ("ActivationMap",),
    "partlens.common.drawing.errors": ("FigureError",),
    "partlens.common.drawing.figure": ("Figure",),
    "partlens.common.regions": ("Box", "Mask", "Point", "Polygon", "Whole"),
    "partlens.explainer.comparators": ("COMPARATORS", "Comparator", "Target"),
    "partlens.explainer.decomposition": ("Decomposition",),
    "partlens.explainer.decompositions": ("Decompositions",),
    "partlens.explainer.errors": (
        "CompletenessError",
        "ExplainerError",
        "ImageError",
        "ModelError",
        "ModelFileError",
        "RegionError",
        "ShapeError",
        "UnsupportedOperatorError",
    ),
    "partlens.explainer.model": ("MetricModel",),
    "partlens.explainer.pair": ("FourTerms", "PairExplanation", "PositionPairs"),
    "partlens.explainer.preprocessing": ("Preprocessing",),
    "partlens.explainer.reading": ("ImageLike", "ImagesLike", "read_image"),
    "partlens.explainer.similarity_map": ("SimilarityMap",),
    "partlens.explainer.spec": ("ModelSpec",),
    "partlens.explainer.view": ("View",),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "COMPARATORS",
    "ActivationMap",
    "Box",
    "Comparator",
    "CompletenessError",
    "Decomposition",
    "Decompositions",
    "ExplainerError",
    "Figure",
    "FigureError",
    "FourTerms",
    "ImageError",
    "ImageLike",
    "ImagesLike",
    "Mask",
    "MetricModel",
    "ModelError",
    "ModelFileError",
    "ModelSpec",
    "PairExplanation",
    "Point",
    "Polygon",
    "PositionPairs",
    "Preprocessing",
    "RegionError",
    "ShapeError",
    "SimilarityMap",
    "Target",
    "UnsupportedOperatorError",
    "View",
    "Whole",
    "read_image",
]


def __getattr__(name: str) -> object:
    if (module := _MODULES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(module), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
