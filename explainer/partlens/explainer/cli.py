"""`partlens model`: make a model folder, and look at one."""

import json
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ExplainerError, ModelError
from partlens.explainer.images import SUFFIXES, decode, image_files
from partlens.explainer.model import MetricModel, read_spec
from partlens.explainer.preprocessing import ColourOrder, Preprocessing, Resize

_PATH = click.Path(path_type=Path)
_CHECKED_IMAGES = 8


class Numbers(click.ParamType[tuple[float, float, float]]):
    """Three numbers with commas between, or one that counts three times."""

    name = "r,g,b"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = [float(number) for number in str(value).split(",")]
        except ValueError:
            numbers = []
        if len(numbers) == 1:
            numbers *= 3
        if len(numbers) != 3:
            self.fail(f"{value!r} is not three numbers like 123.7,116.3,103.5", param, ctx)
        return numbers[0], numbers[1], numbers[2]


@click.group()
def model() -> None:
    """Make and inspect model folders."""


@model.command("import")
@click.argument("folder", type=_PATH)
@click.option("--torch", "factory", metavar="PACKAGE.MODULE:FACTORY", help="A PyTorch module.")
@click.option("--weights", type=_PATH, help="Its weights: .safetensors, or a state dict.")
@click.option("--feature-layer", default="", help="Its layer that gives the feature map.")
@click.option("--onnx", "onnx_file", type=_PATH, help="An ONNX file.")
@click.option("--feature-tensor", default="", help="Its tensor that is the feature map.")
@click.option("--embedding", default="", help="Its tensor that is the embedding.")
@click.option("--height", type=click.IntRange(1), default=224, show_default=True)
@click.option("--width", type=click.IntRange(1), default=224, show_default=True)
@click.option("--mean", type=Numbers(), default="0", show_default=True, help="Units of 0..255.")
@click.option("--std", type=Numbers(), default="255", show_default=True, help="Units of 0..255.")
@click.option("--colours", type=click.Choice(["rgb", "bgr"]), default="rgb", show_default=True)
@click.option(
    "--resize",
    type=click.Choice(["stretch", "shortest_side_crop"]),
    default="stretch",
    show_default=True,
)
@click.option("--name", default="", help="Of the model; the folder's by default.")
@click.option("--licence", default="", help="Of the weights.")
@click.option("--images", type=_PATH, help="Folder with real images to check completeness on.")
def import_model(
    folder: Path,
    factory: str | None,
    weights: Path | None,
    feature_layer: str,
    onnx_file: Path | None,
    feature_tensor: str,
    embedding: str,
    height: int,
    width: int,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    colours: ColourOrder,
    resize: Resize,
    name: str,
    licence: str,
    images: Path | None,
) -> None:
    """Make the model folder FOLDER from --torch or --onnx.

    Checks that contributions and bias add up to the model's own embedding, on random pixels and on
    the images given, and refuses what cannot be decomposed by name.
    """
    from partlens.explainer.importing.onnx_file import from_onnx_file
    from partlens.explainer.importing.torch_module import (
        from_module,
        load_module,
        with_onnx_backbone,
    )

    if (factory is None) == (onnx_file is None):
        raise click.UsageError("give one of --torch and --onnx")
    try:
        preprocessing = Preprocessing(height, width, colours, mean, std, resize)
        called, real = name or folder.name, _some_images(images)
        if onnx_file is not None:
            if not feature_tensor or not embedding:
                raise click.UsageError("--onnx needs --feature-tensor and --embedding")
            made = from_onnx_file(
                onnx_file,
                feature_tensor=feature_tensor,
                embedding=embedding,
                preprocessing=preprocessing,
                name=called,
                licence=licence,
                images=real,
            )
        else:
            if factory is None or weights is None:
                raise click.UsageError("--torch needs --weights")
            live = from_module(
                load_module(factory, weights),
                feature_layer=feature_layer,
                preprocessing=preprocessing,
                name=called,
                licence=licence,
                images=real,
            )
            made = with_onnx_backbone(live, real)
        _print(made.save(folder))
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error


@model.command()
@click.argument("folder", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(folder: Path, as_json: bool) -> None:
    """Print what a model folder holds, after checking its digest."""
    try:
        loaded = MetricModel.load(folder)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(read_spec(folder).to_json()))
    else:
        _print(loaded)


def _print(made: MetricModel) -> None:
    for key, value in made.spec.to_json().items():
        click.echo(f"{key}: {json.dumps(value) if isinstance(value, dict) else value}")


def _some_images(folder: Path | None) -> list[NDArray[np.uint8]]:
    """The first few pictures of a folder."""
    if folder is None:
        return []
    files = image_files(folder)
    if not files:
        raise ModelError(f"--images {folder} holds no image ({', '.join(sorted(SUFFIXES))})")
    return [decode(path.read_bytes()) for path in files[:_CHECKED_IMAGES]]
