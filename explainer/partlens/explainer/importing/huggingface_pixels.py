"""Preprocessing as a Hugging Face preprocessor_config.json says it."""

from collections.abc import Mapping
from typing import Any

from partlens.explainer.errors import ModelError
from partlens.explainer.preprocessing import Preprocessing, Resize

Normalisation = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and std in units of 0..1, RGB."""

IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Normalisation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP: Normalisation = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)


def preprocessing_from(
    said: Mapping[str, Any], size: int | list[int], normalisation: Normalisation
) -> Preprocessing:
    """What a preprocessor_config.json asks for.

    The margin that some folders cut off round the picture (256 px, of which the middle 224) is
    kept: a search must see the whole picture. Pixels are resized bilinearly whatever it says.

    Args:
        said: the file's contents; empty where there is none.
        size: input size in pixels, for where it says none.
        normalisation: for where it says none.

    Raises:
        ModelError: a value that is no size or no three numbers.
    """
    resized: Any = said.get("size")
    cropped: Any = said.get("crop_size") if said.get("do_center_crop", True) else None
    # Each of these keeps the picture's proportions and cuts off what is too long.
    shortest = isinstance(resized, dict) and "shortest_edge" in resized
    keeps = cropped is not None or shortest or said.get("crop_pct") is not None
    resize: Resize = "shortest_side_crop" if keeps else "stretch"
    height, width = _size(next(one for one in (cropped, resized, size) if one is not None))
    factor = _number(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0
    mean, std = said.get("image_mean"), said.get("image_std")
    mean = normalisation[0] if mean is None else _three(mean)
    std = normalisation[1] if std is None else _three(std)
    if not said.get("do_normalize", True):
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return Preprocessing(
        height,
        width,
        mean=_in_bytes(mean, factor),
        std=_in_bytes(std, factor),
        resize=resize,
    )


def origins_from(said: Mapping[str, Any], model_type: str) -> dict[str, str]:
    """Where each field of `preprocessing_from` comes from, in words.

    Args:
        said: as there.
        model_type: of config.json.
    """
    file, usual = "preprocessor_config.json", f"usual for {model_type}, not stated by the model"
    size = file if said.get("size") or said.get("crop_size") else "config.json"
    plain = not said.get("do_normalize", True)
    return {
        "height": size,
        "width": size,
        "colour_order": "--hf is always rgb",
        "mean": file if plain or said.get("image_mean") is not None else usual,
        "std": file if plain or said.get("image_std") is not None else usual,
        "resize": file if said else usual,
    }


def _in_bytes(values: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    """From the folder's units to 0..255; the rounding undoes that of 1 / 255."""
    first, second, third = (round(value / factor, 6) for value in values)
    return first, second, third


def _size(given: Any) -> tuple[int, int]:
    if isinstance(given, dict) and "height" in given and "width" in given:
        given = [given["height"], given["width"]]
    elif isinstance(given, dict) and "shortest_edge" in given:
        given = given["shortest_edge"]
    sides = [given, given] if isinstance(given, int) else given
    if not isinstance(sides, list | tuple) or [type(side) for side in sides] != [int, int]:
        raise ModelError(f"preprocessor_config.json: size {given!r} is not understood")
    return sides[0], sides[1]


def _number(given: Any) -> float:
    if not isinstance(given, int | float) or not given > 0:
        raise ModelError(f"preprocessor_config.json: {given!r} must be a number above 0")
    return float(given)


def _three(given: Any) -> tuple[float, float, float]:
    if isinstance(given, int | float):
        given = [given] * 3
    if not isinstance(given, list) or len(given) != 3:
        raise ModelError(f"preprocessor_config.json: {given!r} must be three numbers")
    first, second, third = (float(value) for value in given)
    return first, second, third
