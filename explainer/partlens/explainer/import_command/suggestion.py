"""Which layer to cut a network at: what an import at each of its last layers would give."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ExplainerError, ModelError
from partlens.explainer.head.work import require_bounded
from partlens.explainer.import_command.network import Images, Layer, Network
from partlens.explainer.model import MetricModel
from partlens.explainer.splitting.assembly import sample_pixels
from partlens.explainer.splitting.locality import measure as measure_locality

MOST = 8
"""Layers to measure unless told otherwise."""
_WORK = 2**33
"""Multiplications to decompose one image: some seconds of one core."""
_SHARE = 0.6
"""Of the time that an import may take; the rest is for the import itself."""
_CLOSE = 0.05
"""Bias shares that differ by less are alike; then the later layer, with the simpler head."""
_FEWEST_PATCHES = 9
"""Fewer tokens may seem to lie in order by chance."""
_BYTES = 2
"""Of a number of the contributions, float16."""


@dataclass(frozen=True)
class Candidate:
    """What an import at one layer would give.

    Attributes:
        layer: what --feature-layer or --feature-tensor calls it.
        stride: --stride; None for the network's own.
        shape: of its output for one image, [C, rows, cols] or tokens [T, C].
        refused: why it cannot be imported; "" if it can, and then the head is complete. All that
            follows is empty if it cannot.
        grid: (rows, cols).
        bias_share: mean |b| / |E|.
        dead: fraction of its channels that are 0 at every position of every image.
        saturated: fraction of its values that equal the largest, as a clip leaves them.
        bytes_per_image: of a gallery in float16, contributions and bias.
    """

    layer: str
    stride: int | None
    shape: tuple[int, ...]
    refused: str = ""
    grid: tuple[int, int] | None = None
    bias_share: float | None = None
    dead: float | None = None
    saturated: float | None = None
    bytes_per_image: int | None = None

    def cells(self, recommended: bool) -> list[str]:
        """A row of a table: layer, output, grid, shares, bytes, and why it cannot be imported."""
        layer = self.layer if self.stride is None else f"{self.layer}, --stride {self.stride}"
        note = "recommended" if recommended else self.refused
        output = "x".join(map(str, self.shape))
        if self.grid is None:
            return [layer, output, "", "", "", "", "", note]
        shares = (self.bias_share, self.dead, self.saturated)
        rows, cols = self.grid
        return [
            layer,
            output,
            f"{rows}x{cols}",
            *("" if share is None else f"{share:.3f}" for share in shares),
            f"{self.bytes_per_image:,}",
            note,
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Candidate":
        """Read back what to_json gave, from a JSON text."""
        grid = plain["grid"] and tuple(plain["grid"])
        return cls(**{**plain, "shape": tuple(plain["shape"]), "grid": grid})


@dataclass(frozen=True)
class Suggestion:
    """Layers in the order of the network, the last one first, and the one to take.

    Attributes:
        candidates: those that were measured; finer maps of the recommended layer come last.
        recommended: one of the candidates, never a finer map, which costs more; None if none of
            them can be imported.
        unmeasured: number of earlier layers that were not measured.
    """

    candidates: Sequence[Candidate]
    recommended: Candidate | None
    unmeasured: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "candidates": [one.to_json() for one in self.candidates],
            "recommended": None if self.recommended is None else self.recommended.layer,
            "reason": self.reason,
            "unmeasured": self.unmeasured,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Suggestion":
        """Read back what to_json gave, from a JSON text."""
        found = [Candidate.from_json(one) for one in plain["candidates"]]
        best = next((one for one in found if one.layer == plain["recommended"]), None)
        return cls(found, best, int(plain["unmeasured"]))

    @property
    def reason(self) -> str:
        """Why the recommended layer was chosen, in one sentence."""
        best = self.recommended
        if best is None or best.grid is None:
            return "none of these layers can be imported"
        return (
            f"{best.layer!r} ({best.grid[0]}x{best.grid[1]}), the last layer with a bias share"
            f" ({best.bias_share:.2f}) within {_CLOSE:g} of the smallest"
        )


def suggest(network: Network, images: Images, seconds: float, most: int = MOST) -> Suggestion:
    """Measure the last layers of a network, and finer maps of the best one.

    Args:
        images: RGB, at least one.
        seconds: time for all; no layer is begun after 60 % of it.
        most: layers to measure.

    Raises:
        ModelError: the network cannot be exported or run at all.
    """
    layers = network.layers()
    found = list(_measured(network, layers[:most], images, time.monotonic() + _SHARE * seconds))
    best = recommended(found)
    finer = [] if best is None else _finer(network, best, images)
    return Suggestion([*found, *finer], best, len(layers) - len(found))


def chosen(network: Network, images: Images, seconds: float) -> Suggestion:
    """As suggest, but no layer before one that leaves next to nothing to the bias is measured.

    Raises:
        ModelError: none of the last layers can be imported.
    """
    layers, found = network.layers(), list[Candidate]()
    for one in _measured(network, layers[:MOST], images, time.monotonic() + _SHARE * seconds):
        found.append(one)
        if one.bias_share is not None and one.bias_share <= _CLOSE:
            break
    best = recommended(found)
    if best is None:
        reasons = "; ".join(f"{one.layer}: {one.refused}" for one in found[:3])
        raise ModelError(
            "no layer through which everything goes gives a map of the picture that can be"
            f" imported ({reasons or 'there is none'}). Name the feature layer (--feature-layer,"
            " --feature-tensor)"
        )
    return Suggestion(found, best, len(layers) - len(found))


def recommended(candidates: Sequence[Candidate]) -> Candidate | None:
    """The last layer with a bias share close to the smallest; None if none can be imported."""
    usable = [(one.bias_share, one) for one in candidates if one.bias_share is not None]
    least = min((share for share, _ in usable), default=0.0)
    return next((one for share, one in usable if share <= least + _CLOSE), None)


def _measured(
    network: Network, layers: Sequence[Layer], images: Images, until: float
) -> Iterator[Candidate]:
    for number, layer in enumerate(layers):
        if number and time.monotonic() > until:
            return
        yield _candidate(network, layer, images)


def _finer(network: Network, best: Candidate, images: Images) -> list[Candidate]:
    """The recommended layer with its last stride removed."""
    if len(best.shape) != 3 or best.grid is None:
        return []
    stride = max(1, round(network.preprocessing.height / best.grid[0]) // 2)
    try:
        made = network.finer(best.layer, stride)
    except ExplainerError as error:
        return [Candidate(best.layer, stride, best.shape, refused=str(error))]
    return [_candidate(made, Layer(best.layer, best.shape), images, stride)]


def _candidate(
    network: Network, layer: Layer, images: Images, stride: int | None = None
) -> Candidate:
    try:
        head = network.head(layer.name)
        require_bounded(head, layer.shape, _WORK)
        made = network.model(layer.name, images)
        _require_certain(made, layer, network)
        feature = made.backbone(sample_pixels(network.preprocessing, images))
    except ExplainerError as error:
        return Candidate(layer.name, stride, layer.shape, refused=str(error))
    except (MemoryError, RuntimeError) as error:  # torch raises the latter for lack of memory
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        return Candidate(layer.name, stride, layer.shape, refused=f"too large to measure: {error}")
    spec = made.spec
    dead, saturated = idle(feature)
    return Candidate(
        layer.name,
        stride,
        tuple(feature.shape[1:]),
        grid=spec.grid,
        bias_share=spec.bias_share,
        dead=dead,
        saturated=saturated,
        bytes_per_image=(_BYTES * spec.positions + 4) * spec.dimensions,
    )


def _require_certain(made: MetricModel, layer: Layer, network: Network) -> None:
    """Refuse a map whose layout nobody declared unless every axis of it is proven.

    An import of a named layer trusts that few rows or columns are what they seem; the result of an
    attention [N, heads, 1, C] looks like such a map.

    Raises:
        ModelError: it is not proven.
    """
    grid, extras = made.spec.grid, len(made.spec.extras)
    if len(layer.shape) == 2 and made.spec.positions < _FEWEST_PATCHES:
        raise ModelError(f"{made.spec.positions} tokens are too few to tell whether they are a map")
    found = measure_locality(made.backbone, network.preprocessing, grid, extras)
    if min(grid) < 2 or not found.usable(grid, known_layout=False):
        raise ModelError("its positions do not each look at their own place in the picture")


def idle(feature: NDArray[np.float32]) -> tuple[float, float]:
    """Fractions of channels that are always 0, and of values that equal the largest.

    Args:
        feature: A, [N, C, rows, cols] or tokens [N, T, C].
    """
    axes = (0, 2, 3) if feature.ndim == 4 else (0, 1)
    dead = float((feature == 0).all(axes).mean())
    top = feature.max()
    largest = int((feature == top).sum())
    return dead, largest / feature.size if top > 0 and largest > 1 else 0.0
