"""Draws docs/picture.jpg, the README's picture: a search with the starter model.

The people are generated. Takes half a minute; the picture is the same every time.
"""

import asyncio
import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from partlens.client import AsyncClient, Box, Filter, Hit, QueryRegion, SearchAnswer, Upload
from partlens.client import Metadata as UploadMetadata
from partlens.client.report.pictures import shown
from partlens.common.drawing.overlay import explained, outlined
from partlens.common.drawing.scale import Scale
from partlens.common.drawing.sheet import column, side_by_side
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import Picture, generate
from partlens.indexer.gallery import Gallery
from partlens.server.app import create_server

PICTURE = Path(__file__).parents[1] / "docs" / "picture.jpg"
COUNT, SEED, QUERY, HITS = 400, 1, "1-0063-a0", 5
REGION = Box(29, 14, 44, 30)
_SHRINK = 0.7


def encoded(picture: Picture) -> bytes:
    """A generated picture as a JPEG."""
    out = io.BytesIO()
    Image.fromarray(picture.image).save(out, "JPEG", quality=92)
    return out.getvalue()


async def search(pictures: Sequence[Picture], query: bytes) -> SearchAnswer:
    """Search a server for pictures of the other camera."""
    model = MetricModel.load(model_folder())
    with tempfile.TemporaryDirectory() as folder:
        gallery = Gallery.create(Path(folder) / "gallery", model.spec)
        server = create_server(model, gallery)
        port = await server.start()
        try:
            async with AsyncClient(f"127.0.0.1:{port}") as client:
                uploads = (
                    Upload(one.id, encoded(one), metadata=UploadMetadata(camera=one.camera))
                    for one in pictures
                )
                for answer in await client.upsert_images(uploads, deadline=300):
                    if not answer.committed:
                        raise RuntimeError(answer.message)
                return await client.search_regions(
                    [query],
                    [QueryRegion(REGION)],
                    where=Filter(cameras=["b"]),
                    page_size=HITS,
                    thumbnails=True,
                )
        finally:
            await server.stop()
            gallery.close()


def hit_column(number: int, hit: Hit, scale: Scale) -> Image.Image:
    """A hit, with its match, its map and the sum."""
    size = hit.image.width, hit.image.height
    picture = shown(hit.thumbnail, size)
    if hit.map is None:
        raise RuntimeError(f"hit {hit.id} came without a map")
    images = [
        ImageOps.scale(image, _SHRINK)
        for image in (outlined(picture, hit.box, size), explained(picture, hit.map, size, scale))
    ]
    added = hit.map.sums
    lines = [
        f"red {added.red:+.3f}  blue {added.blue:+.3f}",
        f"constant {hit.constant:+.3f}",
        f"score {hit.score:.3f}",
    ]
    return column(f"{number}.", lines, images)


def main() -> int:
    """Draw the picture; returns the exit status."""
    pictures = list(generate(COUNT, SEED, 4))
    query = encoded(next(one for one in pictures if one.id == QUERY))
    answer = asyncio.run(search(pictures, query))
    scale = Scale.of(*(hit.map for hit in answer.hits))
    size = answer.queries[0].width, answer.queries[0].height
    asked = shown(query, size)
    columns = [
        column(
            "query", ["marked: the hat"], [ImageOps.scale(outlined(asked, REGION, size), _SHRINK)]
        ),
        *(hit_column(number, hit, scale) for number, hit in enumerate(answer.hits, start=1)),
    ]
    paper = side_by_side(columns)
    paper.save(PICTURE, quality=88, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
