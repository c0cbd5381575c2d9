"""Filters on columns choose what a look at each image would."""

from datetime import timedelta
from pathlib import Path

import pytest
from gallery_images import NOON, SPEC, image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partlens.indexer.gallery import Filter, Gallery, Metadata

CAMERAS, TRACKS, HATS = ("", "a", "b"), ("", "t1", "t2"), ("", "red", "ü")
TIMES = [None, *(NOON + timedelta(microseconds=n) for n in range(3))]

metadata = st.builds(
    Metadata,
    st.sampled_from(CAMERAS),
    st.sampled_from(TRACKS),
    st.sampled_from(TIMES),
    st.dictionaries(st.sampled_from(["hat", "top"]), st.sampled_from(HATS)),
)
filters = st.builds(
    Filter,
    st.frozensets(st.sampled_from([*CAMERAS, "elsewhere"])),
    st.frozensets(st.sampled_from(TRACKS)),
    st.sampled_from(TIMES),
    st.sampled_from(TIMES),
    st.dictionaries(st.sampled_from(["hat", "top"]), st.sampled_from(HATS)),
    st.frozensets(st.sampled_from(["0", "1", "5", "nobody"])),
    exclude_media=st.frozensets(st.sampled_from(["sha256:0", "sha256:2", "", "\ud800"])),
    ids=st.frozensets(st.sampled_from(["0", "1", "2", "3", "nobody", "\ud800"])),
)


def passes(where: Filter, id: str, of: Metadata) -> bool:
    """The conditions of a filter, one by one."""
    at = of.captured_at
    return (
        id not in where.exclude_ids
        and (not where.ids or id in where.ids)
        and f"sha256:{int(id) % 3}" not in where.exclude_media
        and (not where.cameras or of.camera in where.cameras)
        and (not where.tracks or of.track in where.tracks)
        and (where.captured_after is None or (at is not None and at >= where.captured_after))
        and (where.captured_before is None or (at is not None and at < where.captured_before))
        and all(of.attributes.get(key) == value for key, value in where.attributes.items())
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("galleries")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(metadata, min_size=1, max_size=8), st.lists(filters, min_size=1, max_size=12))
def test_a_filter_passes_what_its_conditions_say(
    folder: Path, of_images: list[Metadata], wheres: list[Filter]
) -> None:
    path = folder / str(len(list(folder.iterdir())))
    with Gallery.create(path, SPEC) as gallery:
        half = len(of_images) // 2
        for some in (range(half), range(half, len(of_images))):
            gallery.add([image(str(i), i % 3, **vars(of_images[i])) for i in some])
        gallery.delete(["1"])
    there = {str(i): of for i, of in enumerate(of_images) if i != 1}
    for opened in (gallery, Gallery.open(path)):
        for where in wheres:
            chosen = [
                id
                for segment, rows in opened.view.live.matching(where)
                for id in segment.columns.ids(rows)
            ]
            assert sorted(chosen) == [id for id, of in there.items() if passes(where, id, of)]
        assert {one.id: one.metadata for one in opened.view.list()} == there
