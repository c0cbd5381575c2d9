"""Scores for ranking a region search; every score is the sum of its map and its constant."""

from partlens.explainer.scoring.part import QueryPart, query_part
from partlens.explainer.scoring.scores import (
    BEST,
    MIXTURES,
    Directions,
    ManySearches,
    Score,
    Scored,
    Shares,
    directions,
    score_images,
)

__all__ = [
    "BEST",
    "MIXTURES",
    "Directions",
    "ManySearches",
    "QueryPart",
    "Score",
    "Scored",
    "Shares",
    "directions",
    "query_part",
    "score_images",
]
