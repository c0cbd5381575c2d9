"""The options that name a network, for the commands that read one."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from partlens.explainer.import_command.request import ImportRequest

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)
_PIXELS = ("height", "width", "mean", "std", "colour_order", "resize")
"""Options that are fields of Preprocessing."""


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
            self.fail(
                f"{value!r} is neither one number nor three, such as 123.7,116.3,103.5", param, ctx
            )
        return numbers[0], numbers[1], numbers[2]


_IN_UNITS = "In units of 0..255; one number counts for all three. "


def _otherwise(usual: str) -> str:
    return f"Default: the value of the --hf folder, ONNX file or module, otherwise {usual}."


_NETWORK = (
    click.option(
        "--torch",
        "factory",
        metavar="PACKAGE.MODULE:FACTORY",
        help="PyTorch module, searched in the current folder, then in installed packages.",
    ),
    click.option(
        "--weights",
        type=_PATH,
        help="Weights for --torch: .safetensors, or a state dict or checkpoint of torch.save. Only"
        " tensors are loaded, never pickled objects.",
    ),
    click.option(
        "--weights-entry",
        default="",
        metavar="NAME",
        help="Entry of a checkpoint that holds the weights, such as model_ema; by default the one"
        " that fits.",
    ),
    click.option("--onnx", "onnx_file", type=_PATH, help="ONNX file."),
    click.option(
        "--embedding",
        default="",
        help="Tensor of --onnx that is the embedding, if it returns several. With --torch: the key"
        " or index of the embedding if the module returns several tensors, or a layer inside it"
        " whose output is the embedding, such as avgpool.",
    ),
    click.option(
        "--other-size",
        is_flag=True,
        help="With --onnx: allow --height and --width to differ from what the file declares.",
    ),
    click.option(
        "--hf",
        "pretrained",
        metavar="FOLDER_OR_HUB_ID",
        help="Hugging Face model: ViT, DINOv2 or v3, CLIP or SigLIP vision, ResNet or ConvNeXt.",
    ),
    click.option(
        "--pooling",
        type=click.Choice(["cls", "mean", "attention"]),
        help="Token pooling of --hf, attention only for SigLIP; by default the one with the smaller"
        " bias share.",
    ),
    click.option(
        "--extra-token",
        "extras",
        multiple=True,
        metavar="NAME",
        help="With --torch and --onnx: a leading token that lies on no cell; repeat in order.",
    ),
    click.option("--height", type=click.IntRange(1), help=_otherwise("224")),
    click.option("--width", type=click.IntRange(1), help=_otherwise("224")),
    click.option("--mean", type=Numbers(), help=_IN_UNITS + _otherwise("0")),
    click.option("--std", type=Numbers(), help=_IN_UNITS + _otherwise("255")),
    click.option(
        "--colours", "colour_order", type=click.Choice(["rgb", "bgr"]), help=_otherwise("rgb")
    ),
    click.option(
        "--resize",
        type=click.Choice(["stretch", "shortest_side_crop"]),
        help=_otherwise("stretch"),
    ),
    click.option(
        "--images",
        type=_PATH,
        help="Folder of real images for the checks; generated images by default.",
    ),
)
_LIMITS = (
    click.option(
        "--time-limit",
        type=click.FloatRange(1),
        default=1800,
        show_default=True,
        help="Seconds that the command may take, downloads included.",
    ),
    click.option(
        "--memory-limit",
        type=click.FloatRange(0.5),
        default=16,
        show_default=True,
        help="Memory that the command may use, in GiB, and at most 80 % of what is free. Only on"
        " Linux.",
    ),
)


def network_options(command: Command) -> Command:
    """Options that name a network; `read_request` takes their values."""
    return _with(_NETWORK, command)


def limit_options(command: Command) -> Command:
    """Bounds on time and memory, `time_limit` and `memory_limit`."""
    return _with(_LIMITS, command)


def read_request(options: Mapping[str, Any], **own: Any) -> ImportRequest:
    """What a command was asked for.

    Args:
        options: values of network_options.
        own: further attributes of ImportRequest, such as its name.

    Raises:
        click.UsageError: options that contradict each other.
    """
    sources = [options["factory"], options["onnx_file"], options["pretrained"]]
    if sources.count(None) != 2:
        raise click.UsageError("give one of --torch, --onnx and --hf")
    if options["pretrained"] is None and options["pooling"] is not None:
        raise click.UsageError("--pooling is only for --hf")
    if options["onnx_file"] is None and options["other_size"]:
        raise click.UsageError("--other-size is only for --onnx")
    if options["factory"] is None and options["weights_entry"]:
        raise click.UsageError("--weights-entry is only for --torch")
    if options["pretrained"] is not None and options["embedding"]:
        raise click.UsageError("--embedding is only for --torch and --onnx")
    if options["factory"] is not None and options["weights"] is None:
        raise click.UsageError("--torch needs --weights")
    plain: dict[str, Any] = {
        key: str(one) if isinstance(one, Path) else one for key, one in options.items()
    }
    pixels = {key: plain.pop(key) for key in _PIXELS}
    return ImportRequest(
        pixels={key: value for key, value in pixels.items() if value is not None}, **plain, **own
    )


def _with(options: Sequence[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
