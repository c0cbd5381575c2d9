"""The specification of a model: the contents of model.json."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache

from partlens.common.registration import Registration, RegistrationError
from partlens.explainer.errors import EarlierModelError, ModelFileError
from partlens.explainer.preprocessing import Preprocessing

_MOST_NUMBERS = 2**28
"""P x D of one image: 1 GiB as float32."""
_OPTIONAL = {"reduction", "registration"}
"""Keys of model.json that only newer formats have."""
_UNREFINED = {"whitening": 0.0, "removed": 0}
"""What a reduction of format 2 leaves out."""


# Looked up for every box of an answer.
_nominal = lru_cache(64)(Registration.nominal)


@dataclass(frozen=True)
class Reduction:
    """How a model was made from a larger one; see partlens.explainer.reduction.

    Attributes:
        of: digest of the larger model.
        grid: (rows, cols) of the larger model's feature map, before its cells are pooled.
        dimensions: dimensions of the larger model's embeddings.
        lost: fraction of the squared length of contributions and bias that the projection drops,
            on the images it was fitted to; 0 if all dimensions are kept.
        images: number of these images.
        whitening: exponent t: the projection divides each direction by its eigenvalue^(t/2).
        removed: number of positional directions that are projected out.

    Raises:
        ModelFileError: an impossible value.
    """

    of: str
    grid: tuple[int, int]
    dimensions: int
    lost: float
    images: int
    whitening: float = 0.0
    removed: int = 0

    def __post_init__(self) -> None:
        fractions = 0 <= self.lost <= 1 and 0 <= self.whitening <= 1
        counts = self.images >= 0 and 0 <= self.removed < self.dimensions
        if min(*self.grid, self.dimensions) < 1 or not fractions or not counts:
            raise ModelFileError(f"model.json: {self} is not a possible reduction")
        _require_size("reduction", self.grid, self.dimensions)

    @property
    def refined(self) -> bool:
        """Whether it does more than drop dimensions and positions, which needs format 3."""
        return self.whitening > 0 or self.removed > 0

    def to_json(self) -> dict[str, object]:
        """Plain values for model.json; unless it is refined, those of format 2."""
        plain: dict[str, object] = {**asdict(self), "grid": list(self.grid)}
        return plain if self.refined else {k: v for k, v in plain.items() if k not in _UNREFINED}

    @classmethod
    def from_json(cls, plain: object) -> "Reduction":
        """Inverse of to_json; raises ModelFileError."""
        given = _UNREFINED | plain if isinstance(plain, dict) else {}
        match given:
            case {
                "of": str(of),
                "grid": [int(rows), int(cols)],
                "dimensions": int(dimensions),
                "lost": int(lost) | float(lost),
                "images": int(images),
                "whitening": int(whitening) | float(whitening),
                "removed": int(removed),
                **unknown,
            } if not unknown and not any(isinstance(value, bool) for value in given.values()):
                lost, whitening = _number("lost", lost), _number("whitening", whitening)
                return cls(of, (rows, cols), dimensions, lost, images, whitening, removed)
        raise ModelFileError(
            f"model.json: reduction must have {[field.name for field in fields(cls)]}, of which"
            f" {list(_UNREFINED)} may be left out, each of the right type; it is {plain!r}"
        )


@dataclass(frozen=True)
class ModelSpec:
    """What a gallery is bound to, and what `partlens model show` prints.

    Attributes:
        name: name for people.
        digest: "sha256:..." over the backbone, the head and everything here; "" only for a live
            module that was never saved.
        preprocessing: how its input is made from an image.
        feature_layer: the layer (or tensor) that outputs the feature map.
        grid: (rows, cols) of the contributions: those of the feature map unless a reduction pools
            its cells; (T, 1) in folders that earlier versions wrote for tokens without a layout.
        extras: names of the tokens that belong to no cell (class and register tokens), in their
            order; in the feature map they come before the cells.
        dimensions: D, the length of its embeddings.
        head: the head in one line, operator by operator.
        bias_share: mean |b| / |E| over the real images that the import measured, or over random
            pixels if it was given none; after a projection, over the images it was fitted to.
        licence: licence of the weights; "" if unknown.
        reduction: how it was made from a larger model; None if it was imported.
        registered: where the cells were measured to look; None if they were not measured. Use
            `registration`, which is there in any case.

    Raises:
        ModelFileError: an impossible value.
    """

    name: str
    digest: str
    preprocessing: Preprocessing
    feature_layer: str
    grid: tuple[int, int]
    dimensions: int
    head: str
    bias_share: float
    licence: str = ""
    extras: tuple[str, ...] = ()
    reduction: Reduction | None = None
    registered: Registration | None = None

    def __post_init__(self) -> None:
        if min(*self.grid, self.dimensions) < 1:
            raise ModelFileError(
                f"grid {self.grid} and dimensions {self.dimensions} must all be at least 1"
            )
        _require_size("model", self.grid, self.dimensions)
        larger = self.reduction.grid if self.reduction else self.grid
        if any(cells > most for cells, most in zip(self.grid, larger, strict=True)):
            raise ModelFileError(
                f"grid {self.grid} is finer than that of its feature map, {larger}"
            )
        if not (math.isfinite(self.bias_share) and self.bias_share >= 0):
            raise ModelFileError(f"bias share {self.bias_share} must be a number of at least 0")
        if len(set(self.extras)) != len(self.extras) or not all(self.extras):
            raise ModelFileError(f"extras {self.extras}: each needs a unique name")
        if self.registered is not None and self.registered.grid != self.grid:
            raise ModelFileError(
                f"the registration is for a grid of {self.registered.grid}, not {self.grid}"
            )

    @property
    def positions(self) -> int:
        """P = rows * cols."""
        return self.grid[0] * self.grid[1]

    @property
    def feature_grid(self) -> tuple[int, int]:
        """(rows, cols) of the feature map."""
        return self.reduction.grid if self.reduction else self.grid

    @property
    def registration(self) -> Registration:
        """Where the cells look: as measured, or evenly spread where nothing was measured."""
        return self.registered or _nominal(self.grid)

    @property
    def format(self) -> int:
        """The oldest format of model.json that holds it: 1, 2 (reduced) or 3 (registered, or
        refined)."""
        refined = self.reduction is not None and self.reduction.refined
        if refined or self.registered is not None:
            return 3
        return 1 if self.reduction is None else 2

    def to_json(self) -> dict[str, object]:
        """Plain values for model.json, with the keys of its format only."""
        plain: dict[str, object] = asdict(self) | {
            "preprocessing": self.preprocessing.to_json(),
            "grid": list(self.grid),
            "extras": list(self.extras),
        }
        del plain["reduction"], plain["registered"]
        if self.reduction is not None:
            plain["reduction"] = self.reduction.to_json()
        if self.registered is not None:
            plain["registration"] = self.registered.to_json()
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, object]) -> "ModelSpec":
        """Inverse of to_json.

        Raises:
            EarlierModelError: a key is missing.
            ModelFileError: a key is unknown, or its value is of the wrong type or impossible.
            ModelError: the same within its preprocessing.
        """
        names = {field.name for field in fields(cls)} - {"reduction", "registered"}
        if unknown := set(plain) - names - _OPTIONAL:
            raise ModelFileError(f"model.json has unknown keys: {sorted(unknown)}")
        if missing := names - set(plain):
            raise EarlierModelError(
                f"model.json lacks {', '.join(sorted(missing))}, so an earlier version of partlens"
                " wrote it, or it was edited"
            )
        values = dict(plain)
        reduction = values.pop("reduction", None)
        registered = values.pop("registration", None)
        preprocessing, grid = values.pop("preprocessing"), values.pop("grid")
        extras = values.pop("extras")
        dimensions, share = values.pop("dimensions"), values.pop("bias_share")
        if not isinstance(preprocessing, Mapping):
            raise ModelFileError("model.json: preprocessing must be an object")
        if not (isinstance(grid, list) and len(grid) == 2 and all(type(n) is int for n in grid)):
            raise ModelFileError(f"model.json: grid {grid!r} must be two whole numbers")
        if type(dimensions) is not int or not isinstance(share, int | float):
            raise ModelFileError("model.json: dimensions and bias_share must be numbers")
        if not (isinstance(extras, list) and all(isinstance(name, str) for name in extras)):
            raise ModelFileError(f"model.json: extras {extras!r} must be a list of names")
        for key, value in values.items():
            if not isinstance(value, str):
                raise ModelFileError(f"model.json: {key} must be a text, got {value!r}")
        if (word := _not_unicode((*extras, *values.values()))) is not None:
            raise ModelFileError(f"model.json: {word!r} is not valid Unicode")
        return cls(
            preprocessing=Preprocessing.from_json(preprocessing),
            grid=(grid[0], grid[1]),
            extras=tuple(extras),
            dimensions=dimensions,
            bias_share=_number("bias_share", share),
            reduction=None if reduction is None else Reduction.from_json(reduction),
            registered=None if registered is None else _registration(registered),
            **{key: str(value) for key, value in values.items()},
        )


def _registration(plain: object) -> Registration:
    try:
        return Registration.from_json(plain)
    except RegistrationError as error:
        raise ModelFileError(f"model.json: registration: {error}") from error


def _require_size(what: str, grid: tuple[int, int], dimensions: int) -> None:
    if (numbers := grid[0] * grid[1] * dimensions) > _MOST_NUMBERS:
        raise ModelFileError(
            f"model.json: a {what} of grid {_short(grid[0])}x{_short(grid[1])} and dimensions"
            f" {_short(dimensions)} has {_short(numbers)} numbers an image; at most"
            f" {_MOST_NUMBERS:,} are allowed"
        )


def _short(number: int) -> str:
    return str(number) if number < 10**30 else "over 10^30"


def _number(key: str, value: int | float) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ModelFileError(f"model.json: {key} is too large a number") from error


def _not_unicode(words: Iterable[object]) -> str | None:
    """The first text that no file and no terminal can hold: JSON can spell half a character."""
    for word in words:
        if isinstance(word, str) and any("\ud800" <= letter <= "\udfff" for letter in word):
            return word
    return None
