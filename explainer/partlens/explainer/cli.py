"""`partlens model`: create and inspect model folders."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from numpy.typing import NDArray

from partlens.common.files import read_file
from partlens.common.terminal import say
from partlens.common.text import visible
from partlens.explainer.errors import ExplainerError, ImageError, ModelError
from partlens.explainer.images import SUFFIXES, decode, image_files
from partlens.explainer.model import MetricModel, read_spec, require_free
from partlens.explainer.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import nn

    from partlens.explainer.importing.fidelity import Imported
    from partlens.explainer.importing.huggingface import Pooling

_PATH = click.Path(path_type=Path)
_CHECKED_IMAGES = 8
_USUAL = Preprocessing(224, 224)


class Numbers(click.ParamType[tuple[float, float, float]]):
    """Three comma-separated numbers, or one number for all three."""

    name = "r,g,b"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        """Parse the three numbers."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = [float(number) for number in str(value).split(",")]
        except ValueError:
            numbers = []
        if len(numbers) == 1:
            numbers *= 3
        if len(numbers) != 3:
            self.fail(f"{value!r} is not three numbers, such as 123.7,116.3,103.5", param, ctx)
        return numbers[0], numbers[1], numbers[2]


def _otherwise(usual: str) -> str:
    return f"Default: the value of the --hf folder or ONNX file, otherwise {usual}."


@click.group()
def model() -> None:
    """Create and inspect model folders."""


@model.command("import")
@click.argument("folder", type=_PATH)
@click.option(
    "--torch",
    "factory",
    metavar="PACKAGE.MODULE:FACTORY",
    help="PyTorch module, searched in the current folder, then in installed packages.",
)
@click.option("--weights", type=_PATH, help="Weights for --torch: .safetensors or a state dict.")
@click.option(
    "--feature-layer", default="", help="Layer of --torch or --hf whose output is the feature map."
)
@click.option("--onnx", "onnx_file", type=_PATH, help="ONNX file.")
@click.option("--feature-tensor", default="", help="Tensor of --onnx that is the feature map.")
@click.option(
    "--embedding",
    default="",
    help="Tensor of --onnx that is the embedding. With --torch, if the module returns several"
    " tensors: the key or index of the embedding.",
)
@click.option(
    "--other-size",
    is_flag=True,
    help="With --onnx: allow --height and --width to differ from what the file declares.",
)
@click.option(
    "--hf",
    "pretrained",
    metavar="FOLDER_OR_HUB_ID",
    help="Hugging Face model: ViT, DINOv2, CLIP vision, ResNet or ConvNeXt.",
)
@click.option(
    "--pooling",
    type=click.Choice(["cls", "mean"]),
    help="Token pooling of --hf; the class token by default.",
)
@click.option(
    "--extra-token",
    "extras",
    multiple=True,
    metavar="NAME",
    help="With --torch and --onnx: a leading token that lies on no cell; repeat in order.",
)
@click.option("--height", type=click.IntRange(1), help=_otherwise("224"))
@click.option("--width", type=click.IntRange(1), help=_otherwise("224"))
@click.option("--mean", type=Numbers(), help="In units of 0..255. " + _otherwise("0"))
@click.option("--std", type=Numbers(), help="In units of 0..255. " + _otherwise("255"))
@click.option(
    "--colours", "colour_order", type=click.Choice(["rgb", "bgr"]), help=_otherwise("rgb")
)
@click.option(
    "--resize",
    type=click.Choice(["stretch", "shortest_side_crop"]),
    help=_otherwise("stretch"),
)
@click.option("--name", default="", help="Name of the model; the folder's name by default.")
@click.option("--licence", default="", help="Licence of the weights.")
@click.option(
    "--images",
    type=_PATH,
    help="Folder of real images for the checks; generated images by default.",
)
def import_model(
    folder: Path,
    factory: str | None,
    weights: Path | None,
    feature_layer: str,
    onnx_file: Path | None,
    feature_tensor: str,
    embedding: str,
    other_size: bool,
    pretrained: str | None,
    pooling: "Pooling | None",
    extras: tuple[str, ...],
    name: str,
    licence: str,
    images: Path | None,
    **pixels: object,
) -> None:
    """Create the model folder FOLDER from --torch, --onnx or --hf.

    Checks that contributions and bias add up to the model's own embedding, that each position
    depends on its own area of the image, that no embedding depends on other images in the batch,
    and that the folder reproduces the original network. A model that fails a check is rejected.
    Unsupported operators raise an error that names them.
    """
    if [factory, onnx_file, pretrained].count(None) != 2:
        raise click.UsageError("give one of --torch, --onnx and --hf")
    if pretrained is None and pooling is not None:
        raise click.UsageError("--pooling is only for --hf")
    if onnx_file is None and other_size:
        raise click.UsageError("--other-size is only for --onnx")
    if pretrained is not None and embedding:
        raise click.UsageError("--embedding is only for --torch and --onnx")
    from partlens.explainer.importing.fidelity import save_checked

    try:
        require_free(folder)
        given = {key: value for key, value in pixels.items() if value is not None}
        about = About(name or folder.name, licence, _some_images(images))
        if onnx_file is not None:
            if not feature_tensor or not embedding:
                raise click.UsageError(_tensors_needed(onnx_file))
            asked = OnnxQuestion(onnx_file, feature_tensor, embedding, other_size)
            made = _from_onnx(asked, extras, given, about)
        elif pretrained is not None:
            made = _from_hub(pretrained, pooling, feature_layer, given, about)
        elif factory is not None and weights is not None:
            chosen = _chosen(_USUAL, given)
            made = _from_torch(factory, weights, feature_layer, embedding, extras, chosen, about)
        else:
            raise click.UsageError("--torch needs --weights")
        saved, cosine = save_checked(made, folder, about.images or _generated())
        _print(saved)
        kind = "real" if about.images else "generated"
        say(f"on {kind} images: cosine with the original network at least {cosine:.6f}")
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error


@model.command()
@click.argument("folder", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(folder: Path, as_json: bool) -> None:
    """Check the digest of a model folder and print its contents."""
    try:
        loaded = MetricModel.load(folder)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say(json.dumps(read_spec(folder).to_json()))
    else:
        _print(loaded)


def _print(made: MetricModel) -> None:
    for key, value in made.spec.to_json().items():
        text = json.dumps(value) if isinstance(value, dict) else visible(str(value))
        say(f"{visible(key)}: {text}")
    for images, found in made.measured.items():
        say(
            f"on {images} images: completeness error {found.error:.2g}, bias share"
            f" {found.bias_share:.4f}"
        )


@dataclass(frozen=True)
class About:
    """Common to all sources: the model's name and licence, and images for the checks."""

    name: str
    licence: str
    images: list[NDArray[np.uint8]]


@dataclass(frozen=True)
class OnnxQuestion:
    """An ONNX file, its two tensors, and whether a size other than the declared one is allowed."""

    file: Path
    feature_tensor: str
    embedding: str
    other_size: bool


def _tensors_needed(file: Path) -> str:
    from partlens.explainer.importing.onnx_file import read

    outputs = ", ".join(output.name for output in read(file).graph.output)
    return (
        f"--onnx needs --feature-tensor and --embedding; the outputs of {file.name} are {outputs}"
    )


def _from_onnx(
    asked: OnnxQuestion, extras: tuple[str, ...], given: Mapping[str, object], about: About
) -> "Imported":
    from partlens.explainer.importing.fidelity import Imported
    from partlens.explainer.importing.onnx_file import from_onnx_file, read
    from partlens.explainer.importing.onnx_input import original, pixel_input

    whole = read(asked.file)
    declared = pixel_input(whole)
    made = from_onnx_file(
        asked.file,
        feature_tensor=asked.feature_tensor,
        embedding=asked.embedding,
        preprocessing=_chosen(declared.preprocessing(), given),
        name=about.name,
        licence=about.licence,
        images=about.images,
        extras=extras,
        other_size=asked.other_size,
    )
    return Imported(made, original(whole, declared, asked.embedding, asked.other_size))


def _from_torch(
    factory: str,
    weights: Path,
    feature_layer: str,
    embedding: str,
    extras: tuple[str, ...],
    preprocessing: Preprocessing,
    about: About,
) -> "Imported":
    from partlens.explainer.importing.torch_module import load_module

    sys.path.insert(0, os.getcwd())  # as `python -m` has it
    try:
        module = load_module(factory, weights)
    finally:
        sys.path.remove(os.getcwd())
    return _from_module(module, feature_layer, embedding, extras, preprocessing, about)


def _from_hub(
    source: str,
    pooling: "Pooling | None",
    feature_layer: str,
    given: Mapping[str, object],
    about: About,
) -> "Imported":
    from partlens.explainer.importing.huggingface import load_pretrained

    found = load_pretrained(source, pooling)
    layer = feature_layer or found.feature_layer
    preprocessing = _chosen(found.preprocessing, given)
    return _from_module(found.module, layer, "", found.extras, preprocessing, about)


def _from_module(
    module: "nn.Module",
    feature_layer: str,
    embedding: str,
    extras: tuple[str, ...],
    preprocessing: Preprocessing,
    about: About,
) -> "Imported":
    from partlens.explainer.importing.fidelity import Imported
    from partlens.explainer.importing.torch_module import original, with_onnx_backbone

    live = MetricModel.from_module(
        module,
        feature_layer=feature_layer,
        embedding=embedding,
        preprocessing=preprocessing,
        name=about.name,
        licence=about.licence,
        images=about.images,
        extras=extras,
    )
    return Imported(with_onnx_backbone(live, about.images), original(module, embedding))


def _chosen(preprocessing: Preprocessing, given: Mapping[str, object]) -> Preprocessing:
    """The preprocessing with the options from the command line."""
    return replace(preprocessing, **given)  # type: ignore[arg-type]


def _some_images(folder: Path | None) -> list[NDArray[np.uint8]]:
    """The first few images of a folder."""
    if folder is None:
        return []
    files = image_files(folder)
    if not files:
        raise ModelError(f"--images {folder} contains no images ({', '.join(sorted(SUFFIXES))})")
    return [_picture(path) for path in files[:_CHECKED_IMAGES]]


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        return decode(read_file(path))
    except (OSError, ImageError) as error:
        raise ImageError(f"--images: {path}: {error}") from error


def _generated() -> list[NDArray[np.uint8]]:
    """Generated images, used if none are given."""
    from partlens.explainer.starter.pictures import generate

    return [picture.image for picture in generate(_CHECKED_IMAGES, 0)]
