"""Activation decomposition for metric-learning models (Zhu, Yang, Chen, 2021)."""

from partlens.common.regions import Box, Mask, Point, Polygon, Whole
from partlens.explainer.comparators import COMPARATORS, Comparator, Target
from partlens.explainer.decomposition import Decomposition
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
from partlens.explainer.images import decode
from partlens.explainer.maps import upsample
from partlens.explainer.model import Decompositions, MetricModel
from partlens.explainer.pair import FourTerms, PairExplanation, PositionPairs
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.regions import position_weights
from partlens.explainer.report import PairReport, SignedMap, explain_pairs
from partlens.explainer.snapping import region_weights
from partlens.explainer.spec import ModelSpec

__all__ = [
    "COMPARATORS",
    "Box",
    "Comparator",
    "CompletenessError",
    "Decomposition",
    "Decompositions",
    "ExplainerError",
    "FourTerms",
    "ImageError",
    "Mask",
    "MetricModel",
    "ModelError",
    "ModelFileError",
    "ModelSpec",
    "PairExplanation",
    "PairReport",
    "Point",
    "Polygon",
    "PositionPairs",
    "Preprocessing",
    "RegionError",
    "ShapeError",
    "SignedMap",
    "Target",
    "UnsupportedOperatorError",
    "Whole",
    "decode",
    "explain_pairs",
    "position_weights",
    "region_weights",
    "upsample",
]
