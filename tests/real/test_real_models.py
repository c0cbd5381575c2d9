"""On the three real models: what the service returns adds up, and equals a naive search."""

from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import get_args

import numpy as np
import oracle
import pytest
import torch
from PIL import Image
from tests.real.conftest import Real, import_model

from partlens.client import Box, Polygon, QueryRegion
from partlens.client.questions import Score
from partlens.explainer.head.linearise import linearise
from partlens.explainer.images import decode


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-4)


def size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels."""
    with Image.open(path) as image:
        return image.size


def boxes(path: Path) -> list[Box]:
    """Two regions whose edges lie on no cell's."""
    width, height = size(path)
    return [
        Box(0.21 * width, 0.13 * height, 0.37 * width, 0.29 * height),
        Box(0.4 * width, 0.55 * height, 0.47 * width, 0.31 * height),
    ]


def naive(real: Real, query: Path, regions: Sequence[tuple[Box, float]]) -> oracle.Search:
    """The same search for the oracle, over what the gallery keeps: contributions in float16."""
    stored = real.model.decompose([decode(path.read_bytes()) for path in real.files.values()])
    seen, looks = real.model.decompose([decode(query.read_bytes())]), real.model.spec.registration
    centres = looks.rows.centres, looks.cols.centres
    return oracle.Search(
        seen.contributions[0].astype(np.float64),
        seen.bias[0].astype(np.float64),
        [
            (oracle.box_weights((b.x, b.y, b.width, b.height), size(query), *centres), weight)
            for b, weight in regions
        ],
        stored.contributions.astype(np.float16).astype(np.float64),
        stored.bias.astype(np.float64),
        real.source.grid,
    )


def test_the_import_finds_the_head_and_it_is_complete(real: Real) -> None:
    spec = real.model.spec
    assert (spec.grid, spec.dimensions) == (real.source.grid, real.source.dimensions)
    noise = np.random.default_rng(5)
    random = [noise.integers(0, 256, (200, 150, 3), np.uint8) for _ in range(4)]
    images = [decode(path.read_bytes()) for path in real.files.values()]
    pixels = np.stack([spec.preprocessing.pixels(image) for image in [*random, *images]])
    seen, embedding = real.model.decompose_pixels(pixels), real.original(pixels)
    missed = seen.contributions.sum(1) + seen.bias - embedding
    assert (np.linalg.norm(missed, axis=1) / np.linalg.norm(embedding, axis=1)).max() < 1e-5


@pytest.mark.parametrize("score", get_args(Score))
def test_scores_are_the_sums_of_their_maps_and_equal_a_naive_search(
    real: Real, score: Score
) -> None:
    first, second = boxes(real.queries[0])
    asked = {real.queries[0]: [(first, 0.8), (second, -0.3)]}
    asked[real.queries[1]] = [(boxes(real.queries[1])[0], 1.0)]
    compared = 0
    for query, regions in asked.items():
        answer = real.client.search_regions(
            [query.read_bytes()],
            [QueryRegion(box, weight=abs(weight), exclude=weight < 0) for box, weight in regions],
            score=score,
            page_size=len(real.files),
        )
        assert {hit.id for hit in answer.hits} == set(real.files)
        assert all(before.score >= after.score for before, after in pairwise(answer.hits))
        search = naive(real, query, regions)
        for hit in answer.hits:
            assert hit.map is not None and hit.map.values.shape == real.source.grid
            assert hit.score == close(float(hit.map.values.sum()) + hit.constant)
            expected = oracle.score(search, "context" if score == "default" else score, int(hit.id))
            if expected is not None:
                assert hit.score == close(expected)
                compared += 1
    assert compared > 0.9 * len(asked) * len(real.files)


def test_the_four_terms_add_up_to_the_cosine_of_the_original_network(real: Real) -> None:
    pair_of = real.queries[0], real.files["07"]
    images = [decode(path.read_bytes()) for path in pair_of]
    pixels = np.stack([real.model.spec.preprocessing.pixels(image) for image in images])
    query, retrieved = real.original(pixels).astype(np.float64)
    cosine = query @ retrieved / (np.linalg.norm(query) * np.linalg.norm(retrieved))
    pair = real.client.explain_pair(*(path.read_bytes() for path in pair_of))
    terms = pair.terms
    four = (terms.position_position, terms.position_bias, terms.bias_position, terms.bias_bias)
    assert pair.similarity == close(cosine) and sum(four) == close(cosine)
    assert pair.query_map.values.sum() == close(four[0])
    assert pair.retrieved_map.values.sum() == close(four[0])
    assert pair.query_map_with_bias.values.sum() == close(four[0] + four[1])
    assert pair.retrieved_map_with_bias.values.sum() == close(four[0] + four[2])


def test_partial_maps_of_a_partition_add_up_to_that_of_the_whole(real: Real) -> None:
    query, retrieved = (path.read_bytes() for path in (real.queries[1], real.files["03"]))
    width, height = size(real.queries[1])
    cut = product(pairwise([0, 0.3 * width, width]), pairwise([0, 0.45 * height, height]))
    pieces = [Box(x0, y0, x1 - x0, y1 - y0) for (x0, x1), (y0, y1) in cut]
    halves = [
        Polygon(((0, 0), (width, 0), (0, height))),
        Polygon(((width, 0), (width, height), (0, height))),
    ]
    everything = Box(0, 0, width, height)
    pair = real.client.explain_pair(query, retrieved, query_regions=[everything, *pieces, *halves])
    whole, *rest = pair.partial_maps
    np.testing.assert_allclose(whole.map.values, pair.retrieved_map.values, atol=1e-5)
    for some in (rest[: len(pieces)], rest[len(pieces) :]):
        added = np.sum([one.map.values for one in some], axis=0)
        np.testing.assert_allclose(added, whole.map.values, atol=1e-4)
        assert sum(one.constant for one in some) == close(whole.constant)
    assert float(whole.map.values.sum()) == close(pair.terms.position_position)
    assert whole.constant == close(pair.terms.position_bias)


def test_a_position_has_weights_of_its_own_only_where_the_head_does_not_pool(real: Real) -> None:
    pixels = real.model.spec.preprocessing.pixels(decode(real.queries[0].read_bytes()))
    feature = torch.from_numpy(real.model.backbone(pixels[None]))
    everywhere = feature.amax((2, 3), keepdim=True).expand_as(feature).contiguous()
    contributions, _ = linearise(real.model.head, everywhere)
    spread = float(contributions[0].std(0).norm() / contributions[0].mean(0).norm())
    assert spread < 1e-4 if real.source.pools else spread > 0.5


def test_the_input_size_may_be_overridden(real_data: Path, tmp_path: Path) -> None:
    model = import_model(
        tmp_path / "m", real_data, "birds", "--height", 448, "--width", 448, "--other-size"
    )
    assert model.spec.grid == (14, 14) and model.spec.dimensions == 1280
