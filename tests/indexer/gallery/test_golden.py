"""Galleries that earlier versions wrote are opened and give the scores that they gave then."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partlens.explainer.scoring import Score, query_part
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.gallery_spec import FORMAT
from partlens.indexer.gallery.verification import verify

GOLDEN = Path(__file__).parents[2] / "golden"
Golden = tuple[Path, dict[str, Any]]
FORMATS = range(1, FORMAT + 1)


@pytest.fixture(params=FORMATS)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Golden:
    """A copy of a format's gallery, and what searches it gave."""
    name = f"gallery-{request.param}"
    copy = Path(shutil.copytree(GOLDEN / name, tmp_path / name))
    return copy, json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("score", ["whole", "part", "context"])
@pytest.mark.parametrize("segments", [True, False], ids=["with its segments", "truth alone"])
def test_scores_are_those_of_the_version_that_wrote_it(
    golden: Golden, score: Score, segments: bool
) -> None:
    path, expected = golden
    if not segments:
        shutil.rmtree(path / "segments")
    gallery = Gallery.open(path)
    contributions, bias = gallery.view.decompositions([expected["query"]])
    weights = np.array(expected["region"], np.float32)
    part = query_part(contributions[0], bias[0], weights, gallery.spec.grid)
    hits = gallery.view.search([part], score, Filter(), 5)
    # Version 0.1, which wrote formats 1 and 2, called CONTEXT "default".
    before = expected["hits"][score if score in expected["hits"] else "default"]
    assert [hit.id for hit in hits] == [hit["id"] for hit in before]
    for hit, then in zip(hits, before, strict=True):
        assert hit.score == pytest.approx(then["score"], abs=1e-6)
        np.testing.assert_allclose(hit.map, then["map"], atol=1e-6)
        assert (
            gallery.view.thumbnails([hit.id])[0][:2] == b"\xff\xd8" and hit.stored.metadata.camera
        )


def test_it_is_sound_and_takes_images(golden: Golden) -> None:
    path, _ = golden
    assert not verify(path).findings
    with Gallery.open(path) as gallery:
        before = len(gallery.view)
        assert gallery.delete([gallery.view.list(limit=1)[0].id]) == 1
    assert len(Gallery.open(path).view) == before - 1 and not verify(path).findings
