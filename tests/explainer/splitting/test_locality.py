"""A position of the map must look at the place of the picture that it stands for."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from head_modules import randomised
from torch import Tensor, nn

from partlens.explainer.errors import ModelError
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.layout import Grid, grid_of, patch_grid
from partlens.explainer.splitting.locality import MISPLACED, measure, require_local, responses
from partlens.explainer.starter import model_folder

CELL, GRID = 8, (8, 4)
SIZE = Preprocessing(GRID[0] * CELL, GRID[1] * CELL)
CELLS = GRID[0] * GRID[1]
CHANNELS = CELLS  # so that channels, taken for positions, fill the same grid
Arrange = Callable[[Tensor], Tensor]


def stem(channels: int = CHANNELS, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Conv2d(3, channels, CELL, CELL)]
    for _ in range(2):  # large receptive fields, as real networks have
        layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, 1, 1)]
    return randomised(nn.Sequential(*layers))


class Once(nn.Module):
    """A layer that gives what it is given; nn.Identity leaves no trace in a graph."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 1.0


class Rearranged(nn.Module):
    """A map in another order, then its mean; completeness holds whatever the order."""

    def __init__(self, arrange: Arrange, channels: int = CHANNELS, seed: int = 0) -> None:
        super().__init__()
        self.stem, self.arranged, self.arrange = stem(channels, seed), Once(), arrange

    def forward(self, pixels: Tensor) -> Tensor:
        arranged: Tensor = self.arranged(self.arrange(self.stem(pixels)))
        return arranged.mean((2, 3)) if arranged.ndim == 4 else arranged.mean(1)


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def shuffled(x: Tensor) -> Tensor:
    order = torch.from_numpy(np.random.default_rng(1).permutation(CELLS))
    return x.flatten(2)[:, :, order].reshape(-1, CHANNELS, *GRID)


RIGHT: dict[str, Arrange] = {
    "map": lambda x: x,
    "tokens": tokens,
}
WRONG: dict[str, Arrange] = {
    "channels as positions": lambda x: x.flatten(2),
    "channels last": lambda x: x.permute(0, 2, 3, 1),
    "rows and cols swapped, called rows and cols": lambda x: x.transpose(2, 3).reshape(
        -1, CHANNELS, *GRID
    ),
    "shuffled": shuffled,
    "upside down": lambda x: x.flip(2),
    "mirrored": lambda x: x.flip(3),
    "tokens col by col": lambda x: x.transpose(2, 3).flatten(2).transpose(1, 2),
}


def imported(arrange: Arrange, seed: int = 0) -> MetricModel:
    net = Rearranged(arrange, seed=seed)
    return MetricModel.from_module(net, feature_layer="arranged", preprocessing=SIZE, name="x")


@pytest.mark.parametrize("name", RIGHT)
def test_maps_and_patches_in_order_are_taken(name: str) -> None:
    assert imported(RIGHT[name]).spec.grid == GRID


@pytest.mark.parametrize("name", WRONG)
def test_positions_that_look_elsewhere_are_refused(name: str) -> None:
    for seed in range(5):
        net = stem(seed=seed)

        @torch.no_grad()
        def backbone(pixels: np.ndarray, net: nn.Module = net) -> np.ndarray:
            arranged: np.ndarray = WRONG[name](net(torch.from_numpy(pixels))).numpy()
            return arranged

        shape = backbone(np.zeros((1, 3, SIZE.height, SIZE.width), np.float32)).shape[1:]
        grid = grid_of(shape, 0, SIZE)
        with pytest.raises(ModelError, match=r"'layer' gives .* do not look at those cells"):
            require_local(measure(backbone, SIZE, grid, 0), grid, shape, "layer")


def test_an_import_makes_this_check_and_says_what_is_needed() -> None:
    with pytest.raises(ModelError, match=r"'arranged' gives \[N, 32, 32\].*Choose a layer"):
        imported(lambda x: x.flatten(2))
    with pytest.raises(ModelError, match="same whatever the picture shows"):
        imported(lambda x: x * 0)
    with pytest.raises(ModelError, match="29 tokens fill no grid"):
        imported(lambda x: tokens(x)[:, : CELLS - 3])


@pytest.mark.parametrize(
    ("cells", "size", "grid"),
    [
        (196, (224, 224), (14, 14)),
        (256, (256, 256), (16, 16)),
        (128, (256, 128), (16, 8)),
        (210, (256, 128), (21, 10)),  # patches of 16 pixels, 12 apart
        (197, (224, 224), None),
        (32, (64, 64), None),
        (7, (4, 4), None),
        (0, (4, 4), None),
    ],
)
def test_tokens_are_patches_where_they_fill_the_picture(
    cells: int, size: tuple[int, int], grid: Grid | None
) -> None:
    assert patch_grid(cells, Preprocessing(*size)) == grid


def test_extra_tokens_that_nobody_named_are_refused_and_counted() -> None:
    def with_class(x: Tensor) -> Tensor:
        return torch.cat([tokens(x).mean(1, keepdim=True), tokens(x)], 1)

    net = Rearranged(with_class)
    with pytest.raises(ModelError, match=r"33 tokens: 1 that lie on no cell, and then 8x4"):
        MetricModel.from_module(net, preprocessing=SIZE, name="x")
    model = MetricModel.from_module(net, preprocessing=SIZE, name="x", extras=("class",))
    assert model.spec.grid == GRID


class Transformer(nn.Module):
    """A class token among the patches, at an index, through a block of attention."""

    def __init__(self, place: int, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.patches, self.place = nn.Conv2d(3, 16, CELL, CELL), place
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.positions = nn.Parameter(torch.randn(1, CELLS + 1, 16))
        block = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True)
        self.blocks, self.feature = block, Once()

    def forward(self, pixels: Tensor) -> Tensor:
        patches = tokens(self.patches(pixels))
        first, rest = patches[:, : self.place], patches[:, self.place :]
        token = self.token.expand(pixels.shape[0], -1, -1)
        joined = torch.cat([first, token, rest], 1) + self.positions
        seen: Tensor = self.feature(self.blocks(joined))[:, self.place]
        return seen


@pytest.mark.parametrize("place", [0, CELLS // 2, CELLS])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_class_token_that_is_not_the_first_is_refused(place: int, seed: int) -> None:
    def imported_with_first_as_class() -> MetricModel:
        net = Transformer(place, seed)
        return MetricModel.from_module(
            net, feature_layer="feature", preprocessing=SIZE, name="x", extras=("class",)
        )

    if place == 0:
        assert imported_with_first_as_class().spec.grid == GRID
    else:
        with pytest.raises(ModelError, match=r"not the first ones|do not look at those cells"):
            imported_with_first_as_class()


@pytest.mark.parametrize(("first", "last"), [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)])
def test_registers_behind_the_patches_are_no_first_tokens(first: int, last: int) -> None:
    net, size = stem(), Preprocessing(16 * CELL, 16 * CELL)

    @torch.no_grad()
    def backbone(pixels: np.ndarray) -> np.ndarray:
        patches = tokens(net.get_submodule("0")(torch.from_numpy(pixels)))
        means = patches.mean(1, keepdim=True)
        joined: np.ndarray = torch.cat([means] * first + [patches] + [means] * last, 1).numpy()
        return joined

    found = measure(backbone, size, (16, 16), first + last)
    assert found.usable((16, 16), known_layout=False) == (last == 0)


class FlattensFirst(nn.Module):
    """Heads that flatten the map before anything else."""

    def __init__(self, kind: str, channels: int) -> None:
        super().__init__()
        self.stem, self.kind, self.over = stem(channels), kind, nn.Conv1d(channels, 5, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        flat: Tensor = self.stem(pixels).flatten(2)
        pooled: dict[str, Callable[[], Tensor]] = {
            "mean": lambda: flat.mean(-1),
            "maximum": lambda: flat.amax(-1),
            "convolution": lambda: self.over(flat).mean(-1),
            "attention": lambda: (flat * flat[:, :1].softmax(-1)).sum(-1),
        }
        return pooled[self.kind]()


@pytest.mark.parametrize(
    ("kind", "channels"),
    [
        ("mean", 16),
        ("mean", CHANNELS),
        ("maximum", CHANNELS),
        ("convolution", 16),
        ("attention", CHANNELS),
    ],
)
def test_without_a_layer_the_map_before_the_flattening_is_taken(kind: str, channels: int) -> None:
    net = FlattensFirst(kind, channels)
    found = MetricModel.from_module(net, preprocessing=SIZE, name="x")
    named = MetricModel.from_module(net, feature_layer="stem", preprocessing=SIZE, name="x")
    assert found.spec.grid == GRID
    pixels = np.random.default_rng(0).standard_normal((2, 3, SIZE.height, SIZE.width))
    ours, theirs = (m.decompose_pixels(pixels.astype(np.float32)) for m in (found, named))
    np.testing.assert_allclose(ours.contributions, theirs.contributions, atol=1e-5)


def test_without_any_map_the_layer_is_asked_for() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE.height * SIZE.width, 5))
    with pytest.raises(ModelError, match="--feature-layer"):
        MetricModel.from_module(net, preprocessing=SIZE, name="x")


def test_a_change_that_moves_by_a_cell_moves_by_a_cell_in_the_map() -> None:
    """Without any overlap of cells each changes at its own place, and there alone."""

    def means(pixels: np.ndarray) -> np.ndarray:
        shape = (len(pixels), 3, GRID[0], CELL, GRID[1], CELL)
        averaged: np.ndarray = pixels.reshape(shape).mean((3, 5))
        return averaged

    probes, changed = responses(means, SIZE, GRID)
    expected = np.zeros_like(changed, bool)
    expected[np.arange(len(probes)), probes @ [GRID[1], 1]] = True
    assert np.array_equal(changed > 0, expected)
    found = measure(means, SIZE, GRID, 0)
    assert (found.rows, found.cols) == (0, 0)


def test_a_trained_network_is_far_from_the_limit() -> None:
    model = MetricModel.load(model_folder())
    found = measure(model.backbone, model.spec.preprocessing, model.spec.grid, 0)
    assert max(found.rows, found.cols) < MISPLACED / 2
