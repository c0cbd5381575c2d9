"""Writes tests/golden/gallery-N, a small gallery in on-disk format N, and its search results.

Each format's gallery is written once, by the first version with that format, and kept: later
versions must open it and give the same scores. The pictures are generated. Format 2 added int8 and
reduced models, format 3 refined and registered ones; its gallery has all of them. Where a decision
redefines a score, --record records the new results of every gallery that is there.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from partlens.common.media_digest import media_digest
from partlens.common.pictures import UprightPicture
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.reduction import Projection, smaller
from partlens.explainer.registering import register
from partlens.explainer.scoring import MIXTURES, query_part
from partlens.explainer.starter.pictures import Picture, generate
from partlens.indexer.gallery import Filter, Gallery, Metadata, NewImage
from partlens.indexer.gallery.gallery_spec import FORMAT
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.picture import thumbnail

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))
import head_modules  # noqa: E402

PLACE = ROOT / "tests" / "golden" / f"gallery-{FORMAT}"
COUNT, SEED, QUERY = 10, 7, 3
REGION = [1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.25]


def new_image(picture: Picture, contributions: FloatArray, bias: FloatArray) -> NewImage:
    """A generated picture, with everything that a gallery stores."""
    height, width = picture.image.shape[:2]
    small = np.asarray(Image.fromarray(picture.image).resize((width // 2, height // 2)))
    return NewImage(
        id=picture.id,
        uri=f"file:///pictures/{picture.id}.png",
        media_digest=media_digest(picture.image.tobytes()),
        width=width,
        height=height,
        thumbnail=thumbnail(UprightPicture.whole(small)),
        metadata=Metadata(camera=picture.camera, attributes={"drawn": "yes"}),
        contributions=contributions,
        bias=bias,
    )


def main() -> None:
    """Write the gallery and its search results."""
    model = MetricModel.from_module(
        head_modules.make("gap"),
        feature_layer="stem",
        preprocessing=Preprocessing(16, 8),
        name="golden",
        licence="MIT",
    )
    pictures = list(generate(COUNT, SEED, 4))
    model, _ = register(model, [picture.image for picture in pictures])
    seen = model.decompose([picture.image for picture in pictures])
    width = model.spec.dimensions
    onto = Projection.fit(
        [(seen.contributions, seen.bias)], width, width - 2, whitening=0.5, removed=1
    )
    model = smaller(model, "golden-smaller", None, onto)
    seen = model.decompose([picture.image for picture in pictures])
    images = [
        new_image(picture, np.asarray(seen.contributions[i]), np.asarray(seen.bias[i]))
        for i, picture in enumerate(pictures)
    ]
    shutil.rmtree(PLACE, ignore_errors=True)
    with Gallery.create(PLACE, model.spec, "int8") as gallery:
        gallery.add(images)
        gallery.add(images[1:3])  # replaces them
        gallery.delete([images[0].id])
        expected = results(gallery, images[QUERY].id)
    (PLACE / "writer.lock").unlink()
    write(PLACE, expected)


def record() -> None:
    """Search every gallery that is there, and record what it gives now as its results."""
    for place in sorted(PLACE.parent.glob("gallery-*/")):
        before = json.loads(place.with_suffix(".json").read_text())
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(place, Path(folder) / place.name))
            with Gallery.open(copy) as gallery:
                write(place, results(gallery, before["query"]))


def results(gallery: Gallery, query: str) -> dict[str, object]:
    """What searches of a gallery give."""
    contributions, bias = gallery.view.decompositions([query])
    part = query_part(contributions[0], bias[0], np.array(REGION, np.float32), gallery.spec.grid)
    hits = {
        score: [
            {"id": hit.id, "score": hit.score, "map": hit.map.tolist()}
            for hit in gallery.view.search([part], score, Filter(), 5)
        ]
        for score in MIXTURES
    }
    return {"query": query, "region": REGION, "hits": hits}


def write(place: Path, expected: dict[str, object]) -> None:
    """Write the results of searches next to their gallery."""
    place.with_suffix(".json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--record",
        action="store_true",
        help="only record the results of the galleries that are there, after a score was redefined",
    )
    record() if parser.parse_args().record else main()
