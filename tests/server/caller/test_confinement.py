"""A confinement hides the images of other cameras."""

import pytest
from any_filter import filters, metadata, passes
from hypothesis import given
from hypothesis import strategies as st

from partlens.common.filters import Filter
from partlens.common.metadata import Metadata
from partlens.server.caller.confinement import Confinement
from partlens.server.errors import ForbiddenError

OURS = frozenset({"a", "b"})
NAMES = st.frozensets(st.sampled_from("abcd"))


@given(mine=NAMES, asked=NAMES, camera=st.sampled_from("abcd"))
def test_a_narrowed_filter_passes_just_what_both_let_pass(
    mine: frozenset[str], asked: frozenset[str], camera: str
) -> None:
    within, where, metadata = Confinement.to(mine), Filter(cameras=asked), Metadata(camera=camera)
    if mine and asked - mine:
        with pytest.raises(ForbiddenError, match="restricted to cameras"):
            within.narrowed(where)
        return
    both = within.sees(metadata) and (not asked or camera in asked)
    narrowed = within.narrowed(where).cameras
    assert (not narrowed or camera in narrowed) == both


@given(filters(), st.lists(metadata, max_size=8))
def test_no_filter_shows_an_image_of_another_camera(
    where: Filter, of_images: list[Metadata]
) -> None:
    """Whatever it holds: a filter inside none_of excludes, and never lets anything in."""
    within = Confinement.to(OURS)
    try:
        narrowed = within.narrowed(where)
    except ForbiddenError:
        return
    for id, one in enumerate(of_images):
        expected = within.sees(one) and passes(where, str(id), one)
        assert passes(narrowed, str(id), one) == expected


@pytest.mark.parametrize("kind", ["all_of", "any_of"])
def test_a_camera_of_others_is_refused_wherever_it_is_named(kind: str) -> None:
    inside = Filter(tracks=["t"], any_of=[Filter(cameras=["elsewhere"])])
    with pytest.raises(ForbiddenError, match="the filter names elsewhere"):
        Confinement.to(OURS).narrowed(Filter(**{kind: [inside]}))  # type: ignore[arg-type]
    excluded = Filter(none_of=[Filter(cameras=["elsewhere"])])
    assert Confinement.to(OURS).narrowed(excluded).cameras == OURS
