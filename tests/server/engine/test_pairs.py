"""Pairs of positions give every map of a pair without another call."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tests.server.conftest import DEADLINE, picture, settings, tiny_model

from partlens.client import (
    AsyncClient,
    Box,
    PairAnswer,
    PairSelection,
    QueryImage,
    RequestError,
    Whole,
)
from partlens.indexer.gallery import Gallery
from partlens.server.app import create_server
from partlens.server.messages.encoding_pairs import half_precision
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb

HALF = 2.0**-11
"""Largest error of a number in half precision, relative to it."""
ROUNDING = 1e-5
"""Of sums in float32, whose terms are of the order of 1."""
ONE, OTHER = picture(1), picture(2)


@asynccontextmanager
async def served(
    folder: Path, height: int, width: int, **limits: object
) -> AsyncIterator[AsyncClient]:
    """A client of a server whose model has a grid of height / 4 x width / 4."""
    model = tiny_model(size=(height, width))
    gallery = Gallery.create(folder / "gallery", model.spec)
    server = create_server(model, gallery, settings(limits=limits))
    try:
        async with AsyncClient(f"127.0.0.1:{await server.start()}", DEADLINE) as client:
            yield client
    finally:
        await server.stop(0)


async def explained(
    client: AsyncClient,
    pairs: PairSelection,
    regions: Sequence[Box | Whole] = (),
    images: tuple[QueryImage, QueryImage] = (ONE, OTHER),
) -> PairAnswer:
    """A pair, with regions on the side of the pairs."""
    ours, theirs = (regions, ()) if pairs.side == "query" else ((), regions)
    return await client.explain_pair(
        *images, query_regions=ours, retrieved_regions=theirs, pairs=pairs
    )


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, min_side=0),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_numbers_in_half_precision_are_close_whatever_their_size(
    values: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> None:
    sent, scale = half_precision(values)
    plain = np.frombuffer(sent, "<f2").astype(np.float64).reshape(values.shape) * scale
    exact = values.astype(np.float64)
    largest = np.abs(exact).max(initial=0.0)
    assert (np.abs(plain - exact) <= np.maximum(HALF * np.abs(exact), 2.0**-39 * largest)).all()


@pytest.mark.parametrize("size", [(4, 4), (32, 16)], ids=["1x1", "8x4"])
async def test_pairs_add_up_to_the_terms_and_maps_of_the_same_call(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with served(tmp_path, *size) as client:
        ours, theirs = [
            await explained(client, PairSelection(side), [Whole()])
            for side in ("query", "retrieved")
        ]
    first, second, terms = ours.pairs, theirs.pairs, ours.terms
    assert first is not None and second is not None
    assert (first.side, second.side) == ("query", "retrieved")
    cells = ours.query.grid[0] * ours.query.grid[1]
    assert first.positions == second.positions == tuple(range(cells))
    np.testing.assert_allclose(first.values, second.values.T, rtol=2 * HALF, atol=ROUNDING)
    np.testing.assert_allclose(first.bias, second.other_bias, atol=ROUNDING)
    np.testing.assert_allclose(first.other_bias, second.bias, atol=ROUNDING)
    error = float(HALF * np.abs(first.values).sum() + ROUNDING)
    assert first.values.sum() == pytest.approx(terms.position_position, abs=error)
    assert first.bias.sum() == pytest.approx(terms.position_bias, abs=ROUNDING)
    assert second.bias.sum() == pytest.approx(terms.bias_position, abs=ROUNDING)
    for answer, of_rows, of_other in (
        (ours, ours.query_map_with_bias, ours.retrieved_map_with_bias),
        (theirs, ours.retrieved_map_with_bias, ours.query_map_with_bias),
    ):
        pairs, (whole,) = answer.pairs, answer.partial_maps
        assert pairs is not None
        np.testing.assert_allclose(
            pairs.values.sum(1) + pairs.bias, of_rows.values.ravel(), atol=error
        )
        made = pairs.values.sum(0) + pairs.other_bias
        np.testing.assert_allclose(made, of_other.values.ravel(), atol=error)
        np.testing.assert_allclose(made, whole.map.values.ravel(), atol=error)
        constant = pairs.bias.sum() + terms.bias_bias
        assert constant == pytest.approx(whole.constant, abs=ROUNDING)
        assert made.sum() + constant == pytest.approx(answer.similarity, abs=error)


@pytest.mark.parametrize("side", ["query", "retrieved"])
async def test_the_partial_map_of_a_region_follows_from_the_rows_that_it_covers(
    tmp_path: Path, side: str
) -> None:
    region = Box(3, 5, 9, 12)
    async with served(tmp_path, 128, 128) as client:
        image = ONE if side == "query" else OTHER
        described = await client.describe_query(image, [region])
        covered = described.coverage[0].values.ravel()
        assert described.query.grid == (32, 32)
        rows = np.flatnonzero(covered).tolist()
        # In any order, and more calls than one for more rows than one takes.
        assert len(rows) > 60
        parts = [rows[40:][::-1], rows[:40]]
        answers = [
            await explained(client, PairSelection(side, part), [region])  # type: ignore[arg-type]
            for part in parts
        ]
    partial = answers[0].partial_maps[0]
    map, constant, error = np.zeros(32 * 32), 0.0, np.full(32 * 32, ROUNDING)
    for part, answer in zip(parts, answers, strict=True):
        pairs = answer.pairs
        assert pairs is not None and pairs.positions == tuple(part)
        assert pairs.values.shape == (len(part), 32 * 32)
        map += covered[part] @ pairs.values
        constant += float(covered[part] @ pairs.bias)
        error += HALF * (covered[part] @ np.abs(pairs.values))
    assert (np.abs(map - partial.map.values.ravel()) <= error).all()
    assert constant == pytest.approx(partial.constant, abs=ROUNDING)


async def test_pairs_come_only_if_they_are_requested(tmp_path: Path) -> None:
    async with served(tmp_path, 32, 16) as client:
        assert (await client.explain_pair(ONE, OTHER)).pairs is None


@pytest.mark.parametrize(
    ("selection", "field", "words"),
    [
        (pb.PairSelection(positions=[0, 1024]), "pairs.positions[1]", "32 x 32 positions, 0 to"),
        (pb.PairSelection(positions=[2**32 - 1]), "pairs.positions[0]", "0 to 1023"),
        (pb.PairSelection(positions=[5, 6, 5]), "pairs.positions[2]", "5 is given twice"),
        (pb.PairSelection(side=3), "pairs.side", "PAIR_SIDE_RETRIEVED"),  # type: ignore[arg-type]
        (pb.PairSelection(), "pairs.positions", "all positions make 1048576 pairs; at most 65536"),
        (pb.PairSelection(positions=range(65)), "pairs.positions", "name at most 64 positions"),
    ],
)
async def test_pairs_that_cannot_be_had_are_refused(
    tmp_path: Path, selection: pb.PairSelection, field: str, words: str
) -> None:
    request = pb.ExplainPairRequest(
        query=image_pb.QueryImage(data=ONE),
        retrieved=image_pb.QueryImage(data=OTHER),
        pairs=selection,
    )
    async with served(tmp_path, 128, 128) as client:
        with pytest.raises(RequestError, match=words) as refused:
            await client._ask(client._search.ExplainPair, request, None)
        assert refused.value.field == field
        limit = (await client.get_gallery()).limits.pairs
        most = PairSelection(positions=range(limit // 1024))
        pairs = (await explained(client, most)).pairs
        assert pairs is not None and pairs.values.size == limit == 65536


async def test_the_most_pairs_are_a_setting(tmp_path: Path) -> None:
    async with served(tmp_path, 32, 16, pairs=64) as client:
        pairs = (await explained(client, PairSelection(positions=[3, 1]))).pairs
        assert pairs is not None and pairs.values.shape == (2, 32)
        with pytest.raises(RequestError, match=r"at most 64 are allowed \(limits.pairs\)"):
            await explained(client, PairSelection())
        with pytest.raises(RequestError, match="at most 64 are allowed"):
            await explained(client, PairSelection(positions=range(65)))
