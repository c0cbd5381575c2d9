"""Scores for ranking a region search; every score is the sum of its map and its constant."""

from partlens.explainer.scoring.engines import row_products, warm
from partlens.explainer.scoring.feedback import LIKE, UNLIKE, Mark, best_place, with_marks
from partlens.explainer.scoring.part import QueryPart, query_part
from partlens.explainer.scoring.score import BEST, MIXTURES, Score, Scored, Shares, joined
from partlens.explainer.scoring.scores import (
    Directions,
    ManySearches,
    OneSearch,
    directions,
    score_images,
    score_rows,
)
from partlens.explainer.scoring.whole import whole_part

__all__ = [
    "BEST",
    "LIKE",
    "MIXTURES",
    "UNLIKE",
    "Directions",
    "ManySearches",
    "Mark",
    "OneSearch",
    "QueryPart",
    "Score",
    "Scored",
    "Shares",
    "best_place",
    "directions",
    "joined",
    "query_part",
    "row_products",
    "score_images",
    "score_rows",
    "warm",
    "whole_part",
    "with_marks",
]
