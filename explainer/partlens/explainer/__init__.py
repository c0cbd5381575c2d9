"""Activation decomposition for metric-learning models (Zhu, Yang, Chen, 2021)."""

from partlens.explainer.decomposition import Decomposition
from partlens.explainer.errors import ExplainerError, ShapeError
from partlens.explainer.pair import FourTerms, PairExplanation

__all__ = ["Decomposition", "ExplainerError", "FourTerms", "PairExplanation", "ShapeError"]
