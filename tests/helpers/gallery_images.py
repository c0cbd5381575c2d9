"""Random images for galleries: the same id and seed give the same image in every process."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.scoring import QueryPart, query_part
from partlens.explainer.spec import ModelSpec
from partlens.indexer.gallery import Metadata, NewImage

GRID, DIMENSIONS = (4, 3), 6
SPEC = ModelSpec("m", "sha256:1", Preprocessing(32, 24), "conv", GRID, DIMENSIONS, "mean", 0.1)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def image(id: str, seed: int = 0, **metadata: Any) -> NewImage:
    """An image with random contributions."""
    random = np.random.default_rng([seed, *id.encode()])
    return NewImage(
        id=id,
        uri=f"file:///{id}.jpg",
        media_digest=f"sha256:{seed}",
        width=24,
        height=32,
        thumbnail=id.encode(),
        metadata=Metadata(**metadata),
        contributions=random.standard_normal((12, DIMENSIONS)).astype(np.float32),
        bias=random.standard_normal(DIMENSIONS).astype(np.float32),
    )


def parts() -> list[QueryPart]:
    """A query with two parts, one of them excluded."""
    one, two = image("query"), image("query", 1)
    region = np.array([1, 0.5, 0, 1, 1] + 7 * [0], np.float32)
    return [
        query_part(one.contributions, one.bias, region, GRID),
        query_part(two.contributions, two.bias, region[::-1].copy(), GRID, weight=-0.5),
    ]
