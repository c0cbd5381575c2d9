"""A confinement hides the images of other cameras."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.common.filters import Filter
from partlens.common.metadata import Metadata
from partlens.server.caller.confinement import Confinement
from partlens.server.errors import ForbiddenError

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
