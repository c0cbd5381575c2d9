"""A head whose decomposition would not end in good time is refused before any of it is computed."""

import math

import pytest
import torch
from torch import Tensor, nn

from partlens.explainer.errors import UnsupportedOperatorError
from partlens.explainer.head import work
from partlens.explainer.head.operators import Attribute, Head, Operator
from partlens.explainer.head.size import steps
from partlens.explainer.head.work import MOST_WORK, require_bounded
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

SPACE: dict[str, Attribute] = {"axes": (2, 3), "keepdim": False}
SAME: dict[str, Attribute] = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}


def meta(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


def estimated(head: Head, feature: tuple[int, ...]) -> int:
    positions = math.prod(feature[1:]) if len(feature) == 3 else feature[0]
    return positions * sum(work.work(step) for step in steps(head, feature))


def pooled(kind: str, **attributes: Attribute) -> Head:
    pool = Operator(kind, "large", "net.pool", ("feature",), attributes)
    return Head((pool, Operator("mean", "e", "", ("large",), SPACE)), {}, "e")


WINDOW: dict[str, Attribute] = {"kernel": (4001, 4001), "stride": (1, 1), "ceil_mode": False}


@pytest.mark.parametrize(
    ("head", "feature", "named"),
    [
        (pooled("adaptive_avg_pool2d", size=(3000, 3000)), (5, 60, 40), "'large' needs"),
        (
            pooled("avg_pool2d", **WINDOW, padding=(2000, 2000), count_include_pad=True),
            (1, 4001, 4001),
            "'large' needs",
        ),
        (
            Head(
                (
                    Operator("conv2d", "wide", "", ("feature", "w"), SAME),
                    Operator("mean", "e", "", ("wide",), SPACE),
                ),
                {"w": meta(20_000, 512, 3, 3)},
                "e",
            ),
            (512, 28, 28),
            "'wide' needs",
        ),
    ],
)
def test_too_much_work_is_refused_with_its_figure(
    head: Head, feature: tuple[int, ...], named: str
) -> None:
    assert estimated(head, feature) > MOST_WORK
    with pytest.raises(UnsupportedOperatorError, match="multiplications") as caught:
        require_bounded(head, feature)
    assert named in str(caught.value) and "4.4e+12 are allowed" in str(caught.value)


def bottleneck() -> Head:
    """ResNet-50's last block and a pool, cut before the block."""
    point = SAME | {"padding": (0, 0)}
    return Head(
        (
            Operator("conv2d", "1", "", ("feature", "w1"), point),
            Operator("conv2d", "2", "", ("1", "w2"), SAME),
            Operator("conv2d", "3", "", ("2", "w3"), point),
            Operator("add", "4", "", ("3", "feature"), {}),
            Operator("mean", "e", "", ("4",), SPACE),
        ),
        {"w1": meta(512, 2048, 1, 1), "w2": meta(512, 512, 3, 3), "w3": meta(2048, 512, 1, 1)},
        "e",
    )


def perceptron() -> Head:
    """The second half of ViT-L's last block, over all tokens."""
    return Head(
        (
            Operator("linear", "1", "", ("feature", "w1"), {}),
            Operator("gelu", "2", "", ("1",), {"approximate": "none"}),
            Operator("linear", "3", "", ("2", "w2"), {}),
            Operator("mean", "e", "", ("3",), {"axes": (1,), "keepdim": False}),
        ),
        {"w1": meta(4096, 1024), "w2": meta(1024, 4096)},
        "e",
    )


def connected() -> Head:
    """VGG-16's first fully connected layer."""
    return Head(
        (
            Operator("reshape", "1", "", ("feature",), {"shape": (0, 25088)}),
            Operator("linear", "e", "", ("1", "w"), {}),
        ),
        {"w": meta(4096, 25088)},
        "e",
    )


@pytest.mark.parametrize(
    ("head", "feature"),
    [
        (bottleneck(), (2048, 14, 14)),
        (perceptron(), (197, 1024)),
        (connected(), (512, 7, 7)),
    ],
)
def test_heads_of_full_size_need_far_less(head: Head, feature: tuple[int, ...]) -> None:
    require_bounded(head, feature)
    assert estimated(head, feature) < MOST_WORK / 8


def test_an_import_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MOST_WORK", 10)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(UnsupportedOperatorError, match="multiplications"):
        MetricModel.from_module(
            net, feature_layer="0", preprocessing=Preprocessing(8, 8), name="small"
        )
