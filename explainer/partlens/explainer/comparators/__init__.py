"""Activation decomposition beside the maps that others would draw, all from one split model."""

from partlens.explainer.comparators.methods import COMPARATORS, Comparator
from partlens.explainer.comparators.target import Target

__all__ = ["COMPARATORS", "Comparator", "Target"]
