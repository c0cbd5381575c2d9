"""Any metadata, through every way into a gallery: refused with a reason, or read back by all."""

import csv
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from any_metadata import Known, allowed, anything, one_field
from gallery_images import NOON, SPEC, image, parts
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from partlens.common.metadata import require_metadata
from partlens.indexer.errors import InvalidImageError, SourceError
from partlens.indexer.gallery import Correction, Filter, Gallery, GroupBy, Metadata, NewImage
from partlens.indexer.gallery.erasure import erase
from partlens.indexer.gallery.retention import expired
from partlens.indexer.gallery.schema import packed
from partlens.indexer.gallery.verification import repair, verify
from partlens.indexer.sources import read_source

FUZZED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
any_known = st.one_of(one_field, anything)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with Gallery.create(tmp_path_factory.mktemp("any") / "gallery", SPEC) as made:
        made.add([image("other", camera="elsewhere")])
        yield made


def new(known: Known) -> NewImage:
    made = image("x")
    return NewImage(**{**vars(made), "uri": known.uri, "metadata": known.metadata()})


def require_read_back(gallery: Gallery, known: Known) -> None:
    """Every method that reads gives the image as it was said, and every condition finds it."""
    wanted = known.metadata()
    (listed,) = (one for one in gallery.view.list() if one.id == "x")
    assert (
        listed.metadata
        == gallery.view.get("x").metadata
        == gallery.view.metadata(["x"])["x"]
        == wanted
    )
    assert listed.uri == gallery.view.get("x").uri == known.uri
    for where in conditions(known):
        assert [one.id for one in gallery.view.list(where=where)] == ["x"]
        hits = gallery.view.search(parts(), "context", where, 5)
        assert [(hit.id, hit.stored.metadata) for hit in hits] == [("x", wanted)]
        assert gallery.view.count(where) == 1 and gallery.view.passing(["x", "other"], where) == {
            "x"
        }
    grouped = [(GroupBy("camera"), known.camera), (GroupBy("track"), known.track)]
    grouped += [(GroupBy(attribute=name), text) for name, text in known.attributes.items()][:3]
    for by, value in grouped:
        found = gallery.view.search(parts(), "context", Filter(), 5, by=by)
        assert {hit.id: hit.group for hit in found}["x"] == value
    expired(gallery, timedelta(days=1), ())
    assert not verify(gallery.path).findings


def conditions(known: Known) -> Iterator[Filter]:
    """Those that the image meets, and the other image does not."""
    yield Filter(exclude_cameras={"elsewhere"})
    yield Filter(ids={"x", "nobody"})
    if known.camera:
        yield Filter(cameras={known.camera}, exclude_ids={"other"})
    if known.track:
        yield Filter(tracks={known.track})
    if known.captured_at is not None:
        yield Filter(captured_after=known.captured_at)
        yield Filter(captured_before=known.captured_at + timedelta(microseconds=1))
    if known.attributes:
        yield Filter(attributes=known.attributes)


@FUZZED
@given(known=any_known)
def test_images_that_are_added(gallery: Gallery, known: Known) -> None:
    gallery.delete(["x"])
    assume(known.camera != "elsewhere")
    if allowed(known):
        gallery.add([new(known)])
        require_read_back(gallery, known)
    else:
        with pytest.raises(InvalidImageError):
            gallery.add([new(known)])
        assert "x" not in gallery.view


@FUZZED
@given(known=any_known)
def test_images_that_are_corrected(gallery: Gallery, known: Known) -> None:
    gallery.add([image("x")])
    made = Correction("x", "sha256:0", known.uri, known.metadata())
    if allowed(known):
        gallery.correct([made])
        require_read_back(gallery, known)
    else:
        with pytest.raises(InvalidImageError):
            gallery.correct([made])
        assert gallery.view.get("x").metadata == Metadata()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=any_known, kind=st.sampled_from(["csv", "parquet"]))
def test_manifests_say_what_is_in_their_cells(tmp_path: Path, known: Known, kind: str) -> None:
    columns = {"path", "id", "camera", "track", "captured_at"}
    known = known._replace(uri="")
    texts = [known.camera, known.track, *known.attributes, *known.attributes.values()]
    named = [name.strip() for name in known.attributes]
    folded = {name.casefold() for name in named}
    assume(len(folded) == len(named) and not columns & folded)
    # No file in UTF-8 can hold these.
    assume(not any("\ud800" <= character <= "\udfff" for character in "".join(texts)))
    at = "" if known.captured_at is None else known.captured_at.isoformat()
    row = {"path": "a.png", "camera": known.camera, "track": known.track, "captured_at": at}
    row |= known.attributes
    path = tmp_path / f"m.{kind}"
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row), quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerow(row)
    else:
        pq.write_table(pa.table({name: [text] for name, text in row.items()}), path)
    if "" in named:
        with pytest.raises(SourceError, match="has no name"):
            read_source(path)
        return
    # Blanks are cut off, and an empty cell says that there is no such attribute.
    values = [text.strip() for text in known.attributes.values()]
    said = known._replace(
        camera=known.camera.strip(),
        track=known.track.strip(),
        attributes={name: text for name, text in zip(named, values, strict=True) if text},
    )
    if allowed(said):
        (one,) = read_source(path)
        assert one.metadata == said.metadata()
        require_metadata(one.metadata)
    else:
        with pytest.raises(SourceError, match=r"row [12]: "):
            read_source(path)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A gallery with rows that an earlier version let in."""
    path = tmp_path / "older"
    with Gallery.create(path, SPEC) as gallery:
        gallery.add([image("good", captured_at=NOON)])
        known = [
            Known("late", "", NOON.replace(year=9999, month=12, day=31), {}, ""),
            Known("early", "", NOON.replace(year=1, month=1, day=1), {}, ""),
            Known("text", "", NOON, {"half": "a\ud800b"}, ""),
        ]
        images = [NewImage(**{**vars(new(one)), "id": one.camera}) for one in known]
        gallery._commit(packed(images, 2, gallery.bound), 2, [])
    return path


@pytest.mark.parametrize("segments", [True, False], ids=["with its segments", "truth alone"])
def test_rows_of_earlier_versions_are_read_and_named(older: Path, segments: bool) -> None:
    if not segments:
        for path in sorted((older / "segments").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    with Gallery.open(older) as gallery:
        known = {one.id: one.metadata for one in gallery.view.list()}
        assert known["late"].captured_at is known["early"].captured_at is None
        assert known["text"].attributes == {"half": "a?b"} and known["good"].captured_at == NOON
        assert len(gallery.view.search(parts(), "context", Filter(), 9)) == 4
        # An image of unknown time passes no condition on it.
        assert gallery.view.count(Filter(captured_after=NOON.replace(year=1))) == 2
        assert gallery.view.count(Filter(captured_before=NOON.replace(year=9999))) == 2
        assert expired(gallery, timedelta(days=1), (), NOON + timedelta(days=2)).undated == 2
    findings = verify(older).findings
    assert sorted(word for one in findings for word in ("early", "late") if word in str(one)) == [
        "early", "late",
    ]  # fmt: skip
    assert all("index the image again" in str(one) for one in findings) and len(findings) == 2
    # They do not keep damage elsewhere from being repaired, nor an image from being erased.
    (segment, *_) = (older / "segments").glob("*/bias.npy") if segments else (None,)
    if segment is not None:
        segment.write_bytes(segment.read_bytes()[:-1])
    assert len(repair(older).findings) == 2
    with Gallery.open(older) as gallery:
        gallery.correct([Correction("late", "sha256:0", "", Metadata(captured_at=NOON))])
    erase(older, ["early"])
    assert not verify(older).findings
