"""Laws of the linearised head: completeness, equality with an independent oracle, one winner."""

import importlib
import pkgutil
import weakref
from collections.abc import Mapping

import pytest
import torch
from frozen import derivatives
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from partlens.explainer.errors import ShapeError, UnsupportedOperatorError
from partlens.explainer.head import live, rules
from partlens.explainer.head.linearise import linearise
from partlens.explainer.head.operators import Attribute, Head, Operator, last_reads
from partlens.explainer.head.rules import KINDS, RULES
from partlens.explainer.head.run import run

C, ROWS, COLS = 6, 4, 3
Step = tuple[str, tuple[str | float, ...], dict[str, Attribute]]
POOL: dict[str, Attribute] = {"stride": (1, 1), "padding": (0, 0), "ceil_mode": False}
CONV: dict[str, Attribute] = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
SPACE: dict[str, Attribute] = {"axes": (2, 3), "keepdim": False}
GAP: Step = ("mean", ("feature",), SPACE)


def chain(*steps: Step, **weights: Tensor) -> Head:
    """A head whose steps are named 0, 1, ...; "<" reads the step before."""
    operators: list[Operator] = []
    for i, (kind, inputs, attributes) in enumerate(steps):
        names = tuple(str(i - 1) if name == "<" else name for name in inputs)
        operators.append(Operator(kind, str(i), f"head.{kind}{i}", names, attributes))
    return Head(tuple(operators), weights, str(len(steps) - 1))


def weight(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def flat(then: Step, **weights: Tensor) -> Head:
    return chain(("reshape", ("feature",), {"shape": (0, C * ROWS * COLS)}), then, **weights)


def elementwise(kind: str, *more: str | float, **attributes: Attribute) -> Head:
    bias: Step = ("add", ("feature", "k"), {})
    step: Step = (kind, ("<", *more), attributes)
    return chain(bias, step, ("mean", ("<",), SPACE), k=weight(C, 1, 1), slope=weight(C).abs())


def attended(*operators: Operator) -> Head:
    """Tokens "t", the operators, of which the last is "a", and the mean of a GELU of it."""
    before = (
        Operator("reshape", "r", "", ("feature",), {"shape": (0, C, ROWS * COLS)}),
        Operator("permute", "p", "", ("r",), {"axes": (0, 2, 1)}),
        Operator("linear", "t", "", ("p", "wt", "kt"), {}),
    )
    after = (
        Operator("gelu", "g", "", ("a",), {"approximate": "none"}),
        Operator("mean", "e", "", ("g",), {"axes": (1,), "keepdim": False}),
    )
    weights = {"wt": weight(C, C), "kt": weight(C), "probe": weight(1, 1, C)}
    weights["mask"] = weight(ROWS * COLS, ROWS * COLS)
    return Head((*before, *operators, *after), weights, "e")


BN = {"w": weight(C), "k": weight(C), "m": weight(C), "v": weight(C).abs() + 0.1}
BN_INPUTS = ("w", "k", "m", "v")
TO_TOKENS: tuple[Step, Step] = (
    ("reshape", ("feature",), {"shape": (0, C, ROWS * COLS)}),
    ("permute", ("<",), {"axes": (0, 2, 1)}),
)
SQUEEZE: Step = ("reshape", ("<",), {"shape": (0, -1)})

HEADS: Mapping[str, Head] = {
    "gap": chain(GAP),
    "gap, fc, bn, relu": chain(
        GAP,
        ("linear", ("<", "w1", "k1"), {}),
        ("batch_norm", ("<", *BN_INPUTS), {"epsilon": 1e-3}),
        ("relu", ("<",), {}),
        w1=weight(C, C),
        k1=weight(C),
        **BN,
    ),
    "gmp, fc": chain(
        ("adaptive_max_pool2d", ("feature",), {"size": (1, 1)}),
        SQUEEZE,
        ("linear", ("<", "w1", "k1"), {}),
        w1=weight(5, C),
        k1=weight(5),
    ),
    "gem": chain(
        ("clamp", ("feature",), {"min": 1e-6, "max": None}),
        ("pow", ("<", 3.0), {}),
        ("mean", ("<",), SPACE),
        ("pow", ("<", 1 / 3), {}),
    ),
    "flatten, fc": flat(("linear", ("<", "w1", "k1"), {}), w1=weight(5, 72), k1=weight(5)),
    "bn, depthwise, bn, 1x1": chain(
        ("batch_norm", ("feature", *BN_INPUTS), {"epsilon": 1e-5}),
        ("conv2d", ("<", "dw", "k"), {**CONV, "groups": C}),
        ("batch_norm", ("<", *BN_INPUTS), {"epsilon": 1e-5}),
        ("conv2d", ("<", "pw"), CONV),
        SQUEEZE,
        dw=weight(C, 1, ROWS, COLS),
        pw=weight(5, C, 1, 1),
        **BN,
    ),
    "1x1, prelu, 3x3, max": chain(
        ("conv2d", ("feature", "pw"), CONV),
        ("prelu", ("<", "slope"), {}),
        ("conv2d", ("<", "w3", "k3"), {**CONV, "padding": (1, 1)}),
        ("amax", ("<",), SPACE),
        pw=weight(4, C, 1, 1),
        slope=weight(4),
        w3=weight(5, 4, 3, 3),
        k3=weight(5),
    ),
    "two pools added": Head(
        (
            Operator("mean", "a", "", ("feature",), SPACE),
            Operator("amax", "b", "", ("feature",), SPACE),
            Operator("add", "c", "", ("a", "b"), {}),
            Operator("sub", "d", "", ("k", "c"), {}),
            Operator("concat", "e", "", ("d", "a", "k"), {"axis": 1}),
        ),
        {"k": weight(1, C)},
        "e",
    ),
    "stripes": chain(
        ("avg_pool2d", ("feature",), {**POOL, "kernel": (2, 3), "count_include_pad": True}),
        ("max_pool2d", ("<",), {**POOL, "kernel": (2, 1), "dilation": (1, 1)}),
        ("slice", ("<",), {"axis": 2, "start": 1, "stop": None, "step": 1}),
        ("squeeze", ("<",), {"axes": (2, 3)}),
    ),
    "tokens: layer norm, mean, matmul": chain(
        *TO_TOKENS,
        ("layer_norm", ("<", "w", "k"), {"dims": 1, "epsilon": 1e-6}),
        ("mean", ("<",), {"axes": (1,), "keepdim": False}),
        ("matmul", ("<", "wm"), {}),
        w=weight(C),
        k=weight(C),
        wm=weight(C, 5),
    ),
    "one token": chain(*TO_TOKENS, ("select", ("<",), {"axis": 1, "index": 2})),
    "a matrix on the left": chain(
        *TO_TOKENS, ("matmul", ("wm", "<"), {}), SQUEEZE, wm=weight(1, 2, ROWS * COLS)
    ),
    "channel gate": Head(
        (
            Operator("mean", "s", "", ("feature",), {"axes": (2, 3), "keepdim": True}),
            Operator("sigmoid", "g", "", ("s",), {}),
            Operator("mul", "x", "", ("g", "feature"), {}),
            Operator("sum", "y", "", ("x",), SPACE),
        ),
        {},
        "y",
    ),
    # 4 times a normal value: some gates are shut, some half open, some open.
    "hard gate": Head(
        (
            Operator("mul", "s", "", ("feature", 4.0), {}),
            Operator("hardsigmoid", "g", "", ("s",), {}),
            Operator("mul", "x", "", ("feature", "g"), {}),
            Operator("mean", "y", "", ("x",), SPACE),
        ),
        {},
        "y",
    ),
    "normalised, then more": chain(
        GAP,
        ("l2_normalise", ("<",), {"axes": (1,), "epsilon": 1e-12}),
        ("linear", ("<", "w1"), {}),
        w1=weight(3, C),
    ),
    "divided by its norm": Head(
        (
            Operator("mean", "x", "", ("feature",), SPACE),
            Operator("norm", "n", "", ("x",), {"axes": (1,), "keepdim": True}),
            Operator("div", "y", "", ("x", "n"), {}),
            Operator("mul", "z", "", ("y", 3.0), {}),
        ),
        {},
        "z",
    ),
    "channels averaged first": chain(
        ("mean", ("feature",), {"axes": (1,), "keepdim": True}),
        ("expand", ("<",), {"shape": (-1, 2, -1, -1)}),
        ("adaptive_avg_pool2d", ("<",), {"size": (1, 1)}),
        SQUEEZE,
    ),
    "unsqueezed": chain(
        ("unsqueeze", ("feature",), {"axis": 2}),
        ("sum", ("<",), {"axes": (2, 3, 4), "keepdim": False}),
    ),
    "relu": elementwise("relu"),
    "leaky relu": elementwise("leaky_relu", slope=0.1),
    "prelu": elementwise("prelu", "slope"),
    "gelu": elementwise("gelu", approximate="none"),
    "gelu, tanh": elementwise("gelu", approximate="tanh"),
    "silu": elementwise("silu"),
    "hardswish": elementwise("hardswish"),
    "relu6": elementwise("clamp", min=0.0, max=0.5),
    "pow": elementwise("pow", 2.0),
    "tanh": elementwise("tanh"),
    "gelu, spelt out": Head(
        (
            Operator("mul", "scaled", "", ("feature", 0.5**0.5), {}),
            Operator("erf", "erf", "", ("scaled",), {}),
            Operator("add", "gate", "", ("erf", 1.0), {}),
            Operator("mul", "x", "", ("feature", "gate"), {}),
            Operator("mean", "y", "", ("x",), SPACE),
        ),
        {},
        "y",
    ),
    "layer norm, spelt out": Head(
        (
            Operator("mean", "m", "", ("feature",), {"axes": (1,), "keepdim": True}),
            Operator("sub", "x", "", ("feature", "m"), {}),
            Operator("pow", "s", "", ("x", 2.0), {}),
            Operator("mean", "v", "", ("s",), {"axes": (1,), "keepdim": True}),
            Operator("add", "e", "", ("v", 1e-6), {}),
            Operator("pow", "d", "", ("e", 0.5), {}),
            Operator("div", "y", "", ("x", "d"), {}),
            Operator("pow", "r", "", ("e", -0.5), {}),
            Operator("mul", "z", "", ("x", "r"), {}),
            Operator("add", "both", "", ("y", "z"), {}),
            Operator("mean", "out", "", ("both",), SPACE),
        ),
        {},
        "out",
    ),
    "attention": attended(
        Operator("attention", "a", "", ("t", "t", "t"), {"scale": 0.7, "causal": False}),
    ),
    "attention, causal and masked": attended(
        Operator("attention", "a", "", ("t", "t", "t", "mask"), {"scale": None, "causal": True}),
    ),
    "attention spelt out": attended(
        Operator("permute", "k", "", ("t",), {"axes": (0, 2, 1)}),
        Operator("matmul", "l", "", ("t", "k"), {}),
        Operator("mul", "s", "", ("l", 0.4), {}),
        Operator("add", "b", "", ("s", "mask"), {}),
        Operator("softmax", "w", "", ("b",), {"axis": -1}),
        Operator("matmul", "a", "", ("w", "t"), {}),
    ),
    "attention pooling": attended(
        Operator("attention", "a", "", ("probe", "t", "t"), {"scale": None, "causal": False}),
    ),
    "attention to mixed values": attended(
        Operator("attention", "m", "", ("t", "t", "t"), {"scale": None, "causal": False}),
        Operator("attention", "a", "", ("m", "t", "m"), {"scale": None, "causal": False}),
    ),
}  # fmt: skip


def features(seed: int, images: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, C, ROWS, COLS, generator=generator, dtype=dtype)


@pytest.mark.parametrize("name", HEADS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), images=st.integers(1, 3))
def test_contributions_and_bias_add_up_to_the_embedding(name: str, seed: int, images: int) -> None:
    feature = features(seed, images)
    contributions, bias = linearise(HEADS[name], feature)
    embedding = run(HEADS[name], feature)
    assert contributions.shape == (images, ROWS * COLS, embedding.shape[1])
    torch.testing.assert_close(contributions.sum(1) + bias, embedding, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("seed", range(2))
def test_a_contribution_is_the_derivative_of_the_frozen_head(name: str, seed: int) -> None:
    """c_p is the forward-mode derivative at A in the direction of A masked to position p."""
    feature = features(seed, 2)
    contributions, _ = linearise(HEADS[name], feature)
    expected = derivatives(HEADS[name], feature)
    torch.testing.assert_close(contributions, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", HEADS)
def test_float32_is_complete_to_a_hundred_thousandth(name: str) -> None:
    feature = features(3, 4, torch.float32)
    contributions, bias = linearise(HEADS[name], feature)
    embedding = run(HEADS[name], feature)
    error = (contributions.sum(1) + bias - embedding).norm() / embedding.norm()
    assert error < 1e-5


@pytest.mark.parametrize("name", HEADS)
def test_images_do_not_influence_each_other(name: str) -> None:
    feature = features(5, 3)
    together, bias = linearise(HEADS[name], feature)
    alone, bias_alone = linearise(HEADS[name], feature[1:2])
    torch.testing.assert_close(together[1:2], alone)
    torch.testing.assert_close(bias[1:2], bias_alone)


@pytest.mark.parametrize("kind", ["amax", "adaptive_max_pool2d"])
def test_tied_maxima_have_one_winner_the_first(kind: str) -> None:
    pool: Step = (kind, ("feature",), {"axes": (2, 3), "keepdim": True})
    if kind == "adaptive_max_pool2d":
        pool = (kind, ("feature",), {"size": (1, 1)})
    contributions, _ = linearise(chain(pool, SQUEEZE), torch.ones(2, C, ROWS, COLS))
    assert contributions[:, 0].eq(1).all() and contributions[:, 1:].eq(0).all()


def test_tokens_are_positions() -> None:
    tokens = torch.randn(2, 5, C, generator=torch.Generator().manual_seed(0))
    head = chain(("mean", ("feature",), {"axes": (1,), "keepdim": False}))
    torch.testing.assert_close(linearise(head, tokens)[0], tokens / 5)


def test_every_kind_is_tested() -> None:
    used = {operator.kind for head in HEADS.values() for operator in head.operators}
    assert set(KINDS) == used


def test_every_kind_has_one_row_in_one_family() -> None:
    modules = [f"{rules.__name__}.{found.name}" for found in pkgutil.iter_modules(rules.__path__)]
    families = [getattr(importlib.import_module(name), "KINDS", ()) for name in modules]
    assert sorted(kind.name for family in families for kind in family) == sorted(KINDS)


def test_a_product_of_two_live_values_is_refused_by_name() -> None:
    head = chain(("mul", ("feature", "feature"), {}), ("mean", ("<",), SPACE))
    with pytest.raises(UnsupportedOperatorError, match=r"mul \(at head.mul0\).*not a sum"):
        linearise(head, features(0, 1))


@pytest.mark.parametrize("kind", ["sigmoid", "hardsigmoid", "erf"])
def test_a_frozen_statistic_cannot_be_the_embedding(kind: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match="frozen statistic"):
        linearise(chain(GAP, (kind, ("<",), {})), features(0, 1))


def test_an_unknown_kind_is_refused_until_the_caller_brings_a_rule() -> None:
    head = chain(GAP, ("double", ("<",), {}))
    with pytest.raises(UnsupportedOperatorError, match=r"double \(at head.double1\)"):
        linearise(head, features(0, 1))
    add, plus = dict(RULES)["add"], Operator("add", "", "", (), {})
    contributions, _ = linearise(head, features(0, 1), [("double", lambda _, x: add(plus, x, x))])
    torch.testing.assert_close(contributions, features(0, 1).flatten(2).mT * 2 / (ROWS * COLS))


def test_a_feature_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="reshape"):
        linearise(HEADS["flatten, fc"], torch.zeros(1, C, ROWS, COLS + 1))
    with pytest.raises(ShapeError, match=r"\[N, C, rows, cols\]"):
        linearise(HEADS["gap"], torch.zeros(C, ROWS))
    with pytest.raises(ShapeError, match="flatten"):
        linearise(chain(("relu", ("feature",), {})), torch.zeros(1, C, ROWS, COLS))


@pytest.mark.parametrize("name", HEADS)
def test_a_value_is_dropped_after_its_last_reader_and_no_earlier(name: str) -> None:
    head, dropped = HEADS[name], last_reads(HEADS[name])
    order = [operator.name for operator in head.operators]
    for value in {*order, *head.weights, "feature"} - {head.output}:
        readers = [at for at, each in enumerate(head.operators) if value in each.inputs]
        # What nothing reads is dropped as soon as it is written; an unused weight stays.
        after = order[max(readers)] if readers else value
        assert readers or value in order or not any(value in names for names in dropped.values())
        if readers or value in order:
            assert [at for at, names in dropped.items() if value in names] == [after]
    assert not any(head.output in names for names in dropped.values())


def test_a_long_head_keeps_only_the_values_that_are_still_to_be_read() -> None:
    """Of 8 steps each doubles the one before; the sixth adds the first to it instead."""
    kinds = dict(RULES)
    alive, seen = list[int](), list[weakref.ref[Tensor]]()

    def rule(_: Operator, x: live.Live, *more: live.Live) -> live.Live:
        alive.append(sum(one() is not None for one in seen))
        kind, other = ("add", more[0]) if more else ("mul", 2.0)
        result = kinds[kind](Operator(kind, "", "", (), {}), x, other)
        assert isinstance(result, live.Live)
        seen.append(weakref.ref(result.contributions))
        return result

    chained = tuple(
        Operator("probe", str(i), "", (str(i - 1) if i else "feature", *(["0"] if i == 5 else [])))
        for i in range(8)
    )
    head = Head((*chained, Operator("mean", "e", "", ("7",), SPACE)), {}, "e")
    contributions, bias = linearise(head, features(0, 2), [("probe", rule)])
    expected = features(0, 2) * (2**5 + 2) * 4
    torch.testing.assert_close(contributions, expected.flatten(2).mT / (ROWS * COLS))
    assert bias.shape == (2, C)
    assert alive == [0, 1, 2, 2, 2, 2, 1, 1]


@pytest.mark.parametrize("name", HEADS)
def test_the_work_ends_before_the_next_operator_when_nobody_waits(name: str) -> None:
    class GoneError(Exception):
        pass

    asked = 0

    def require_waiting() -> None:
        nonlocal asked
        asked += 1
        if asked > allowed:
            raise GoneError

    for allowed in range(len(HEADS[name].operators)):
        asked = 0
        with pytest.raises(GoneError):
            linearise(HEADS[name], features(1, 2), require_waiting=require_waiting)
        assert asked == allowed + 1
    asked, allowed = 0, len(HEADS[name].operators)
    linearise(HEADS[name], features(1, 2), require_waiting=require_waiting)
    assert asked == allowed


MIXING = chain(
    ("conv2d", ("feature", "w"), {**CONV, "padding": (1, 1)}),
    ("mean", ("<",), SPACE),
    w=weight(C, C, 3, 3),
)


def test_a_value_that_is_too_large_for_all_positions_is_refused_with_the_figure() -> None:
    """It is never computed."""
    feature = torch.zeros(1, C, 256, 96)
    with pytest.raises(
        UnsupportedOperatorError,
        match=r"conv2d \(at head.conv2d0\).*one image would need 13.5 GiB: 24,576 positions x"
        r" 6x256x96 = 147,456 outputs x 4 bytes; 1 GiB is allowed\. Choose a later feature layer",
    ):
        linearise(MIXING, feature)


def test_images_that_are_too_large_together_are_done_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feature = weight(5, C, ROWS, COLS)
    expected = linearise(MIXING, feature)
    monkeypatch.setattr(live, "MOST_NUMBERS", ROWS * COLS * C * ROWS * COLS)
    for ours, theirs in zip(linearise(MIXING, feature), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    monkeypatch.setattr(live, "MOST_NUMBERS", ROWS * COLS * C * ROWS * COLS - 1)
    with pytest.raises(UnsupportedOperatorError, match="one image would need"):
        linearise(MIXING, feature)
