"""Scores for ranking a region search; every score is the sum of its map and its constant."""

from partlens.explainer.scoring.part import QueryPart, query_part
from partlens.explainer.scoring.scores import (
    BEST,
    MIXTURES,
    ManySearches,
    Score,
    Scored,
    Shares,
    embedding_direction,
    score_images,
)

__all__ = [
    "BEST",
    "MIXTURES",
    "ManySearches",
    "QueryPart",
    "Score",
    "Scored",
    "Shares",
    "embedding_direction",
    "query_part",
    "score_images",
]
