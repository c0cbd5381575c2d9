"""Laws of registrations: maps between pixels and cells, pooling, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.common.registration import Axis, Registration, RegistrationError

HALF = Axis.nominal(2)


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    steps = draw(st.lists(st.floats(0.01, 1), min_size=2, max_size=12))
    centres = tuple((np.cumsum(steps)[:-1] / sum(steps)).tolist())
    spreads = st.floats(0, 1)
    return Axis(
        centres,
        tuple(
            draw(
                st.one_of(
                    st.just([]), st.lists(spreads, min_size=len(centres), max_size=len(centres))
                )
            )
        ),
    )


places = st.lists(st.floats(-2, 3), min_size=1, max_size=20)


@given(axes(), places)
def test_places_survive_a_round_trip_through_cells(axis: Axis, at: list[float]) -> None:
    np.testing.assert_allclose(axis.to_places(axis.to_cells(np.array(at))), at, atol=1e-6)


@given(axes(), places)
def test_cells_ascend_with_places(axis: Axis, at: list[float]) -> None:
    assert (np.diff(axis.to_cells(np.sort(at))) >= 0).all()


@given(axes())
def test_edges_and_centres_are_where_they_belong(axis: Axis) -> None:
    cells = len(axis)
    np.testing.assert_allclose(axis.to_cells(np.array([0.0, 1.0])), [0, cells], atol=1e-9)
    np.testing.assert_allclose(axis.to_cells(np.array(axis.centres)), np.arange(cells) + 0.5)


@given(st.integers(1, 40), places)
def test_a_nominal_axis_is_a_proportion(cells: int, at: list[float]) -> None:
    axis = Axis.nominal(cells)
    np.testing.assert_allclose(axis.to_cells(np.array(at)), np.array(at) * cells, atol=1e-9)
    assert not axis.bends().size and axis.shift() == pytest.approx(0, abs=1e-12)


@given(axes(), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_interpolation_weights_sum_to_one_and_follow_straight_lines(
    axis: Axis, at: list[float]
) -> None:
    weights = axis.interpolation(np.array(at))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1)
    within = np.clip(at, axis.centres[0], axis.centres[-1])
    np.testing.assert_allclose(weights @ np.array(axis.centres), within, atol=1e-9)


@given(axes(), st.data())
def test_a_pooled_axis_is_an_axis_with_the_same_mean(axis: Axis, data: st.DataObject) -> None:
    cells = data.draw(st.integers(1, len(axis)))
    pooled = axis.pooled(cells)
    assert len(pooled) == cells and bool(pooled.spreads) == bool(axis.spreads)
    assert np.mean(pooled.centres) == pytest.approx(np.mean(axis.centres))
    assert axis.pooled(len(axis)) == axis


@given(axes(), axes())
def test_json_gives_the_same_registration(rows: Axis, cols: Axis) -> None:
    made = Registration(rows, cols)
    assert Registration.from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    ("centres", "spreads"),
    [
        ((), ()),
        ((0.0,), ()),
        ((1.0,), ()),
        ((0.5, 0.5), ()),
        ((0.6, 0.4), ()),
        ((0.3, float("nan"), 0.6), ()),
        ((0.3, float("inf")), ()),
        ((-0.1, 0.5), ()),
        ((0.5, 0.5 + 1e-12), ()),
        ((0.5,), (0.1, 0.1)),
        ((0.5,), (-0.1,)),
        ((0.5,), (float("nan"),)),
    ],
)
def test_impossible_axes_are_refused(
    centres: tuple[float, ...], spreads: tuple[float, ...]
) -> None:
    with pytest.raises(RegistrationError):
        Axis(centres, spreads)


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        {"rows": {"centres": [0.5], "spreads": []}},
        {"rows": {"centres": [0.5], "spreads": []}, "cols": {"centres": [0.5]}},
        {"rows": {"centres": ["0.5"], "spreads": []}, "cols": {"centres": [0.5], "spreads": []}},
        {"rows": {"centres": [True], "spreads": []}, "cols": {"centres": [0.5], "spreads": []}},
        {"rows": {"centres": [10**400], "spreads": []}, "cols": {"centres": [0.5], "spreads": []}},
        {"rows": HALF, "cols": HALF},
        Registration(HALF, HALF).to_json() | {"more": 1},
    ],
)
def test_damaged_registrations_are_refused(plain: object) -> None:
    with pytest.raises(RegistrationError):
        Registration.from_json(plain)


def test_more_cells_cannot_be_pooled_from_fewer() -> None:
    with pytest.raises(RegistrationError, match="2 cells cannot be pooled to 3"):
        HALF.pooled(3)


@pytest.mark.parametrize("centres", [[0.3, 0.3 + 1e-8], [0.3, 1 - 2e-9], [1e-8, 0.5]])
def test_centres_of_a_file_are_as_far_apart_as_an_answer_can_tell(centres: list[float]) -> None:
    even = {"centres": [0.5], "spreads": []}
    with pytest.raises(RegistrationError, match="cols must be at least 2e-07 from each other"):
        Registration.from_json({"rows": even, "cols": {"centres": centres, "spreads": []}})
