"""`partlens model`: create and inspect model folders."""

import json
from pathlib import Path

import click

from partlens.common.confined import GIB, bounds_within
from partlens.common.terminal import say
from partlens.explainer.errors import ExplainerError
from partlens.explainer.model import MetricModel, read_spec, require_free

_PATH = click.Path(path_type=Path)


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
    return f"Default: the value of the --hf folder, ONNX file or module, otherwise {usual}."


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
@click.option(
    "--one-position",
    is_flag=True,
    help="Allow a feature map of 1x1, which no part can be searched in.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(1),
    default=1800,
    show_default=True,
    help="Seconds that the import may take, downloads included.",
)
@click.option(
    "--memory-limit",
    type=click.FloatRange(0.5),
    default=16,
    show_default=True,
    help="Memory that the import may use, in GiB, and at most 80 % of what is free. Only on Linux.",
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
    pooling: str | None,
    extras: tuple[str, ...],
    name: str,
    licence: str,
    images: Path | None,
    one_position: bool,
    time_limit: float,
    memory_limit: float,
    **pixels: object,
) -> None:
    """Create the model folder FOLDER from --torch, --onnx or --hf.

    Checks that contributions and bias add up to the model's own embedding, that each position
    depends on its own area of the image, that no embedding depends on other images in the batch,
    and that the folder reproduces the original network. A model that fails a check is rejected.
    Unsupported operators raise an error that names them. The import runs in a process of its own.
    """
    if [factory, onnx_file, pretrained].count(None) != 2:
        raise click.UsageError("give one of --torch, --onnx and --hf")
    if pretrained is None and pooling is not None:
        raise click.UsageError("--pooling is only for --hf")
    if onnx_file is None and other_size:
        raise click.UsageError("--other-size is only for --onnx")
    if pretrained is not None and embedding:
        raise click.UsageError("--embedding is only for --torch and --onnx")
    if factory is not None and weights is None:
        raise click.UsageError("--torch needs --weights")
    from partlens.explainer.import_command.confined import import_confined
    from partlens.explainer.import_command.request import ImportRequest
    from partlens.explainer.import_command.source import MissingOptionError

    request = ImportRequest(
        name=name or folder.name,
        licence=licence,
        factory=factory,
        weights=_text(weights),
        feature_layer=feature_layer,
        onnx_file=_text(onnx_file),
        feature_tensor=feature_tensor,
        embedding=embedding,
        other_size=other_size,
        pretrained=pretrained,
        pooling=pooling,
        extras=extras,
        one_position=one_position,
        images=_text(images),
        pixels={key: value for key, value in pixels.items() if value is not None},
    )
    bounds = bounds_within(int(memory_limit * GIB), time_limit)
    try:
        for line in import_confined(request, folder, bounds):
            say(line)
    except MissingOptionError as error:
        raise click.UsageError(str(error)) from error
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


@model.command()
@click.argument("source", type=_PATH)
@click.argument("folder", type=_PATH)
def register(source: Path, folder: Path) -> None:
    """Copy the model folder SOURCE to FOLDER, and measure where its cells look.

    For folders of earlier versions: an import measures it. Regions, boxes and maps are then laid
    over the right part of the picture. The copy has a digest of its own; contributions stay the
    same, so `index copy` fills a gallery for it from one of SOURCE.
    """
    from partlens.explainer.import_command.writing import described, not_measured
    from partlens.explainer.registering import register as measured
    from partlens.explainer.starter.pictures import probes

    try:
        require_free(folder)
        made, found = measured(MetricModel.load(source), probes())
        lines = [*described(made.save(folder)), *not_measured(found)]
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    for line in lines:
        say(line)


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
        from partlens.explainer.import_command.writing import described

        for line in described(loaded):
            say(line)
