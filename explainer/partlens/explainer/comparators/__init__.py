"""Activation decomposition and the maps of other methods, all computed from one split model."""

from partlens.explainer.comparators.methods import COMPARATORS, Comparator
from partlens.explainer.comparators.target import Target

__all__ = ["COMPARATORS", "Comparator", "Target"]
