"""Filters as text: what is written is read as an equivalent filter, and mistakes are named."""

from datetime import UTC, datetime

import pytest
from any_filter import IDS, filters, metadata, passes
from hypothesis import example, given, settings
from hypothesis import strategies as st

from partlens.common.filters import DEEPEST, Exists, Filter, Range, depth_of, is_empty
from partlens.common.metadata import EARLIEST, Metadata
from partlens.common.where import WhereError, parse_where, together
from partlens.common.where_text import where_text

images = st.lists(st.tuples(st.sampled_from(IDS), metadata), max_size=6)
CAMERA = Filter(cameras=("a",))
DEEPER = Filter(cameras=("a",), all_of=(CAMERA,))
MAY = datetime(2026, 5, 1, tzinfo=UTC)


@settings(max_examples=300)
@given(filters(), images)
# Two alternatives, of which the second is deeper.
@example(Filter(all_of=(Filter(any_of=(CAMERA, CAMERA)),), any_of=(CAMERA, DEEPER)), [])
def test_a_filter_as_text_passes_the_same_images(
    where: Filter, of_images: list[tuple[str, Metadata]]
) -> None:
    text = where_text(where)
    if is_empty(where):
        assert text == ""
        return
    again = parse_where(text)
    assert depth_of(again) <= depth_of(where)
    for id, one in of_images:
        assert passes(_frozen(again), id, one) == passes(where, id, one), text


@given(st.lists(filters(depth=2), min_size=1, max_size=4), images)
def test_filters_together_pass_what_each_passes(
    some: list[Filter], of_images: list[tuple[str, Metadata]]
) -> None:
    for id, one in of_images:
        expected = all(passes(where, id, one) for where in some)
        assert passes(_frozen(together(some)), id, one) == expected


@given(st.text(st.sampled_from("ab'\" ()=!<>,10-:.\n" + "Tandorti漢"), max_size=20))
def test_any_text_is_a_filter_or_a_clear_error(text: str) -> None:
    try:
        found = parse_where(text)
    except WhereError as error:
        assert str(error)
    else:
        assert not is_empty(found) and where_text(found)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("camera = a", CAMERA),
        ("  camera=a ", CAMERA),
        ("(camera = a)", CAMERA),
        ("camera in (a, b)", Filter(cameras=("a", "b"))),
        ("camera not in (a, b)", Filter(exclude_cameras=("a", "b"))),
        ("camera != a AND camera != b", Filter(exclude_cameras=("a", "b"))),
        ("camera", Filter(exclude_cameras=("",))),
        ("track = ''", Filter(tracks=("",))),
        ("id in (x)", Filter(ids=("x",))),
        ("hat", Filter(attributes={"hat": Exists()})),
        ("not hat", Filter(none_of=(Filter(attributes={"hat": Exists()}),))),
        ("'camera' = a", Filter(attributes={"camera": "a"})),
        ("\"it's\" = 'say \"no\"'", Filter(attributes={"it's": 'say "no"'})),
        ("speed = 10", Filter(attributes={"speed": "10"})),
        ("speed >= 10 and speed < 2e1", Filter(attributes={"speed": Range(gte=10, lt=20)})),
        ("speed >= 10 and speed = 12", Filter(
            attributes={"speed": Range(gte=10)}, all_of=(Filter(attributes={"speed": "12"}),)
        )),
        ("seen > 2026-05-01", Filter(attributes={"seen": Range(gt=MAY)})),
        ("captured_at >= '2026-05-01 02:00+02:00'", Filter(captured_after=MAY)),
        ("captured_at", Filter(captured_after=EARLIEST)),
        ("camera = a or hat and not track = t", Filter(any_of=(
            CAMERA,
            Filter(attributes={"hat": Exists()}, none_of=(Filter(tracks=("t",)),)),
        ))),
    ],
)  # fmt: skip
def test_an_expression_is_this_filter(text: str, where: Filter) -> None:
    assert parse_where(text) == where


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "character 1: expected the name"),
        ("camera =", "expected a value .* found the end"),
        ("hat red", "character 5: expected and, or, or the end .* found 'red'"),
        ("(hat", "expected \\), found the end"),
        ("hat ! red", "character 5: expected !="),
        ("hat = 'red", "character 7: a quote is not closed"),
        ("camera > 3", "camera is compared with =, != and in, not with >"),
        ("captured_at = 2026-05-01", "captured_at is compared with <"),
        ("speed > fast", "character 9: 'fast' is not a time; .* \\(or give a number\\)"),
        ("speed > NaN", "not a time"),
        ("captured_at > 5", "may mean seconds"),
        ("speed > 1e999", "finite"),
        ("hat in (a b)", "expected \\)"),
        ("hat in ()", "expected a value"),
        ("id", "every image has one"),
        ("not " * DEEPEST + "hat", "nested 9 deep; at most 8"),
        ("(" * 3000 + "hat" + ")" * 3000, "nested too deeply"),
        ("not " * 2000 + "hat", "nested too deeply"),
        ("x" * 10_001, "at most 10000"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(WhereError, match=message):
        parse_where(text)


def _frozen(where: Filter) -> Filter:
    """With sets where any_filter has them."""
    attributes = {
        name: frozenset(one) if isinstance(one, tuple) else one
        for name, one in where.attributes.items()
    }
    inside = {
        name: tuple(map(_frozen, getattr(where, name))) for name in ("all_of", "any_of", "none_of")
    }
    return Filter(**{**vars(where), "attributes": attributes, **inside})
