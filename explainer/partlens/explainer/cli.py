"""`partlens model`: create and inspect model folders."""

from pathlib import Path
from typing import Any

import click

from partlens.common.confined import GIB, bounds_within
from partlens.common.results import json_option, say_json, say_result
from partlens.common.tables import Column, Table, say_table
from partlens.common.terminal import say
from partlens.explainer.drafts import require_free
from partlens.explainer.errors import ExplainerError, ModelError
from partlens.explainer.import_command.options import (
    limit_options,
    network_options,
    read_request,
)
from partlens.explainer.import_command.request import AUTO
from partlens.explainer.model import MetricModel, read_spec

_PATH = click.Path(path_type=Path)


@click.group()
def model() -> None:
    """Create and inspect model folders."""


@model.command("import")
@click.argument("folder", type=_PATH)
@click.option(
    "--feature-layer",
    default="",
    help="Layer of --torch or --hf whose output is the feature map, or `auto`: measure the last"
    " layers and take the one that `partlens model suggest` recommends. By default auto with"
    " --torch, and with --hf the input of the last block.",
)
@click.option(
    "--feature-tensor", default="", help="Tensor of --onnx that is the feature map, or `auto`."
)
@click.option(
    "--stride",
    type=click.IntRange(1),
    help="Most pixels between neighbours of the feature map: remove the last strides and dilate"
    " later convolutions. 16 instead of 32 gives 4 times the positions, and entries of 4 times the"
    " size.",
)
@network_options
@click.option("--name", default="", help="Name of the model; the folder's name by default.")
@click.option("--licence", default="", help="Licence of the weights.")
@click.option(
    "--one-position",
    is_flag=True,
    help="Allow a feature map of 1x1, which no part can be searched in.",
)
@limit_options
@json_option
def import_model(
    folder: Path,
    feature_layer: str,
    feature_tensor: str,
    stride: int | None,
    name: str,
    licence: str,
    one_position: bool,
    time_limit: float,
    memory_limit: float,
    as_json: bool,
    **network: Any,
) -> None:
    """Create the model folder FOLDER from --torch, --onnx or --hf.

    Checks that contributions and bias add up to the model's own embedding, that each position
    depends on its own area of the image, that no embedding depends on other images in the batch,
    and that the folder reproduces the original network. A model that fails a check is rejected.
    Unsupported operators raise an error that names them. The import runs in a process of its own.
    """
    request = read_request(
        network,
        name=name or folder.name,
        licence=licence,
        feature_layer=feature_layer,
        feature_tensor=feature_tensor,
        stride=stride,
        one_position=one_position,
    )
    from partlens.explainer.import_command.confined import import_confined
    from partlens.explainer.import_command.source import MissingOptionError

    bounds = bounds_within(int(memory_limit * GIB), time_limit)
    try:
        for line in import_confined(request, folder, bounds):
            say(line, err=as_json)
        if as_json:
            say_json(read_spec(folder).to_json())
    except MissingOptionError as error:
        raise click.UsageError(str(error)) from error
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error


@model.command()
@network_options
@click.option(
    "--most",
    default=8,
    show_default=True,
    type=click.IntRange(1, 50),
    help="Layers to measure, the last ones of the network.",
)
@limit_options
@json_option
def suggest(
    most: int, time_limit: float, memory_limit: float, as_json: bool, **network: Any
) -> None:
    """List the layers that a network can be cut at, and recommend one.

    For each of the last layers through which every path leads, measures what an import would give:
    the grid of its maps, the share of an embedding that is bias, the fraction of dead channels (0
    on every image), the fraction of saturated values (at the largest value, as a clip leaves
    them), and the size of a gallery's entries in float16. A layer whose head cannot be decomposed
    completely is listed with the reason. The last row is the recommended layer with half the
    stride (--stride). The network runs in a process of its own.
    """
    request = read_request(network, name="suggested", feature_layer=AUTO, feature_tensor=AUTO)
    from partlens.explainer.import_command.confined import suggest_confined
    from partlens.explainer.import_command.source import MissingOptionError

    bounds = bounds_within(int(memory_limit * GIB), time_limit)
    try:
        found = suggest_confined(request, most, bounds)
    except MissingOptionError as error:
        raise click.UsageError(str(error)) from error
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say_json(found.to_json())
        return
    table = Table(
        "layer",
        *map(Column, ("output", "grid", "bias share", "dead", "saturated", "bytes")),
        "note",
    )
    for one in found.candidates:
        table.add_row(*one.cells(recommended=one is found.recommended))
    say_table(table)
    if found.unmeasured:
        say(f"{found.unmeasured} earlier layers were not measured (--most, --time-limit)")
    say(f"recommended: {found.reason}")


@model.command()
@click.argument("source", type=_PATH)
@click.argument("folder", type=_PATH)
@json_option
def register(source: Path, folder: Path, as_json: bool) -> None:
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
        old = MetricModel.load(source)
        if old.spec.registered is not None:
            raise ModelError(f"{source} says where its cells look already; use it as it is")
        made, found = measured(old, probes())
        lines = [*described(made.save(folder)), *not_measured(found)]
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    say_result(read_spec(folder).to_json(), "\n".join(lines), as_json=as_json)


@model.command()
@click.argument("folder", type=_PATH)
@json_option
def show(folder: Path, as_json: bool) -> None:
    """Check the digest of a model folder and print its contents."""
    try:
        loaded = MetricModel.load(folder)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say_json(read_spec(folder).to_json())
    else:
        from partlens.explainer.import_command.writing import described

        for line in described(loaded):
            say(line)
