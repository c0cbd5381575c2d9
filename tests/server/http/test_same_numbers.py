"""A large photograph gives the same numbers whichever way it comes, and keeps its coordinates."""

import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.server.conftest import DEADLINE, LIMITS
from tests.server.http.conftest import SERVICES, Fronts, both

from partlens.common.pictures import decode
from partlens.common.regions import Box
from partlens.explainer.decomposition import Decomposition
from partlens.explainer.evaluation.label_retrieval import embed
from partlens.explainer.evaluation.labels import LabelledImage
from partlens.explainer.model import MetricModel
from partlens.explainer.pair import PairExplanation
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import index_images
from partlens.indexer.sources import read_source
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub

WIDTH, HEIGHT = 1290, 755
"""In the file: more pixels than the server decodes, and no multiples of 8. Upright, it stands."""
EXACT = 2e-3
"""More than float16 takes away, as a fraction of the largest value."""
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def photograph() -> bytes:
    random, exif, out = np.random.default_rng(4), Image.Exif(), io.BytesIO()
    shapes = Image.fromarray(random.integers(0, 256, (9, 15, 3), np.uint8))
    grain = random.normal(0, 60, (HEIGHT, WIDTH, 1))
    pixels = np.asarray(shapes.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST), float) + grain
    exif[0x0112] = 6
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=20, exif=exif)
    assert LIMITS.image_pixels < WIDTH * HEIGHT < 4 * LIMITS.image_pixels
    return out.getvalue()


@pytest.fixture(scope="module")
def expected(photograph: bytes, model: MetricModel) -> tuple[Floats, Floats]:
    """Contributions and bias, of pixels that Pillow makes: an eighth of the size, turned."""
    with Image.open(io.BytesIO(photograph)) as image:
        image.draft(None, (WIDTH // 8, HEIGHT // 8))
        turned = image.transpose(Image.Transpose.ROTATE_270)
    assert turned.size == (95, 162)
    how = model.spec.preprocessing
    box = (95 - HEIGHT / 8, 0, 95, WIDTH / 8)  # its first column is the last row of the file
    small = turned.resize((how.width, how.height), Image.Resampling.BILINEAR, box)
    levels = np.asarray(small, np.float32).transpose(2, 0, 1)[None]
    seen = model.decompose_pixels(np.asarray(levels / 255, np.float32))
    return seen.contributions[0], seen.bias[0]


@pytest.fixture
async def open_fronts(model: MetricModel, gallery: Gallery) -> AsyncIterator[Fronts]:
    async with both(model, gallery) as made:
        yield made


def off(found: Floats, expected: Floats) -> float:
    """Largest difference, as a fraction of the largest value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_it_would_make_a_difference(
    photograph: bytes, expected: tuple[Floats, Floats], model: MetricModel
) -> None:
    in_full = model.decompose(decode(photograph))
    assert off(in_full.contributions[0], expected[0]) > 10 * EXACT


def test_files_bytes_and_evaluations_agree(
    photograph: bytes, expected: tuple[Floats, Floats], model: MetricModel, tmp_path: Path
) -> None:
    path = tmp_path / "photograph.jpg"
    path.write_bytes(photograph)
    for seen in (model.decompose(path), model.decompose([photograph])):
        assert off(seen.contributions[0], expected[0]) < EXACT
        view = seen[0].view
        assert view is not None and view.size == (HEIGHT, WIDTH)
        assert view.shown is not None and view.shown.size == view.size
        assert view.shown.picture.size == (492, 840)  # which figures need more than the model
    (embedding,) = embed(model, [LabelledImage(path, "a")])
    assert off(embedding, expected[0].sum(0) + expected[1]) < EXACT


@pytest.mark.parametrize("way", ["folder", "manifest"])
def test_folders_and_manifests_agree(
    way: str, photograph: bytes, expected: tuple[Floats, Floats], gallery: Gallery, tmp_path: Path,
    model: MetricModel,
) -> None:  # fmt: skip
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(photograph)
    (folder / "list.csv").write_text("path,id\none.jpg,photographs/one.jpg\n")
    source = folder if way == "folder" else folder / "list.csv"
    index_images(gallery, model, read_source(source).images)
    view, id = gallery.view, "photographs/one.jpg"
    contributions, _ = view.decompositions([id])
    assert off(contributions[0], expected[0]) < EXACT
    assert (view.get(id).width, view.get(id).height) == (HEIGHT, WIDTH)
    with Image.open(io.BytesIO(view.thumbnails([id])[0])) as thumbnail:
        assert thumbnail.size == (94, 160)


async def test_uploads_and_queries_agree_over_grpc_and_http(
    photograph: bytes,
    expected: tuple[Floats, Floats],
    model: MetricModel,
    gallery: Gallery,
    open_fronts: Fronts,
) -> None:
    stub, search = (
        GalleryServiceStub(open_fronts.channel),
        PartSearchServiceStub(open_fronts.channel),
    )
    requests = [gallery_pb.UpsertImagesRequest(id="streamed", data=photograph)]
    (streamed,) = [one async for one in stub.UpsertImages(iter(requests), timeout=DEADLINE)]
    assert (streamed.committed.width, streamed.committed.height) == (HEIGHT, WIDTH)
    data = base64.b64encode(photograph).decode()
    posted = await open_fronts.json(
        f"{SERVICES}GalleryService/UpsertImage", {"id": "posted", "data": data}
    )
    assert posted.status_code == 200, posted.text
    gallery.refresh()
    contributions, _ = gallery.view.decompositions(["streamed", "posted"])
    for found in contributions:
        assert off(found, expected[0]) < EXACT
    request = search_pb.ExplainPairRequest(
        query=image_pb.QueryImage(data=photograph),
        retrieved=image_pb.QueryImage(gallery_id="posted"),
    )
    pair = await search.ExplainPair(request, timeout=DEADLINE)
    assert (pair.query.width, pair.query.height) == (HEIGHT, WIDTH)
    over_http = await open_fronts.json(
        f"{SERVICES}PartSearchService/ExplainPair",
        {"query": {"data": data}, "retrieved": {"galleryId": "streamed"}},
    )
    seen = Decomposition(
        torch.from_numpy(expected[0]), torch.from_numpy(expected[1]), model.spec.grid
    )
    wanted = PairExplanation(seen, seen).query_map(with_bias=False).numpy()
    for values in (pair.query_map.values, over_http.json()["queryMap"]["values"]):
        assert off(np.array(values).reshape(wanted.shape), wanted) < EXACT


async def test_its_regions_are_in_its_own_pixels(
    photograph: bytes, model: MetricModel, open_fronts: Fronts
) -> None:
    """The server covers the cells that the explainer covers, whose picture is given in full."""
    box = Box(HEIGHT * 0.6, WIDTH * 0.7, HEIGHT * 0.3, WIDTH * 0.2)
    seen = model.decompose(decode(photograph))[0]
    assert seen.view is not None
    weights = seen.view.weights(box, seen.contributions.numpy())
    message = region_pb.Region(
        box=region_pb.Box(x=box.x, y=box.y, width=box.width, height=box.height)
    )
    answer = await PartSearchServiceStub(open_fronts.channel).DescribeQuery(
        search_pb.DescribeQueryRequest(
            image=image_pb.QueryImage(data=photograph), regions=[message]
        ),
        timeout=DEADLINE,
    )
    np.testing.assert_allclose(np.array(answer.coverage[0].values), weights, atol=1e-5)
