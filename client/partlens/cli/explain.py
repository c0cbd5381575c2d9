"""`partlens explain`: why two images are similar, by a server or by a model folder."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
from click.core import ParameterSource

from partlens.cli.commands import needing
from partlens.cli.figures import figure_option, model_errors, scale_option, write_figure
from partlens.client.cli.arguments import clear_errors, output_options, warn_of_bias
from partlens.client.cli.asked import Pair, pair_options
from partlens.client.cli.connection import connecting_options
from partlens.client.cli.reporting import comparison, pair_report, write_report
from partlens.client.report.pair_report import PairReport
from partlens.client.sync_client import Client
from partlens.common.comparison import Comparison
from partlens.common.explained_pair import ExplainedPair
from partlens.common.results import say_json
from partlens.common.tables import Table, say_table

_OF_A_SERVER = (
    *("report", "server", "of_gallery", "deadline", "tls"),
    *("token_file", "ca", "client_certificate", "client_key"),
)


@click.command()
@pair_options
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model folder to compare two pictures with, without a server.",
)
@connecting_options
@figure_option
@scale_option
@output_options
@click.pass_context
def explain(
    ctx: click.Context,
    asked: Pair,
    model: Path | None,
    connect: Callable[[], Client],
    out: Path | None,
    scale: float | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Decompose the similarity of two images by position, with a server or without.

    The images are PICTURES, then --gallery-id, then --query-id: the first is the query, the second
    the retrieved image. A region is [IMAGE:]SHAPE, in pixels of the upright image. IMAGE is 1 for
    the query (default) and 2 for the retrieved image. Each region's share of the similarity is
    shown on the other image. With --model, this machine does the work, and no server is called.
    """
    made: PairReport | None = None
    if model is not None:
        _require_local(ctx, asked)
        found = _compared(model, asked)
    else:
        with clear_errors(), connect() as client:
            answer = asked.answer(client)
            if report is not None:
                made = pair_report(client, asked, answer)
            found = comparison(client, asked, answer, pictures=out is not None)
    if out is not None:
        write_figure(out, found.figure(scale))
    if as_json:
        say_json(_plain(found))
    else:
        say_table(_table(found.pair))
        warn_of_bias(found.bias_share)
    if report is not None and made is not None:
        write_report(report, made)


def _require_local(ctx: click.Context, asked: Pair) -> None:
    for name in _OF_A_SERVER:
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            option = name.removeprefix("of_").replace("_", "-")
            advice = "leave one of them out"
            if name == "report":
                advice = "--out writes a figure"
            raise click.UsageError(
                f"--{option} needs a server, and --model works without one; {advice}"
            )
    if asked.images.gallery_ids or asked.images.query_ids:
        raise click.UsageError(
            "--gallery-id and --query-id need a server, and --model works without one; give two"
            " pictures"
        )


def _compared(model: Path, asked: Pair) -> Comparison:
    with needing("partlens.explainer"):
        from partlens.explainer.comparing import compare
    pictures = list(zip(asked.images.files, asked.images.pictures, strict=True))
    with model_errors():
        return compare(model, pictures, asked.query_regions, asked.retrieved_regions)


def _plain(found: Comparison) -> dict[str, object]:
    pair = found.pair
    return {
        "similarity": pair.similarity,
        "terms": asdict(pair.terms),
        "query_map": pair.query_map.values.tolist(),
        "query_map_with_bias": pair.query_map_with_bias.values.tolist(),
        "retrieved_map": pair.retrieved_map.values.tolist(),
        "retrieved_map_with_bias": pair.retrieved_map_with_bias.values.tolist(),
        "partial_maps": [
            {"side": one.side, "map": one.map.values.tolist(), "constant": one.constant}
            for one in pair.partial_maps
        ],
        **found.identity,
        "bias_share": found.bias_share,
    }


def _table(pair: ExplainedPair) -> Table:
    table = Table("term (query x retrieved)", "share of the similarity")
    for name, value in asdict(pair.terms).items():
        table.add_row(name.replace("_", " x "), f"{value:+.4f}")
    table.add_row("cosine similarity", f"{pair.similarity:+.4f}", style="bold")
    for number, one in enumerate(pair.partial_maps, start=1):
        source = "query" if one.side == "retrieved" else "retrieved image"
        share = one.map.sums.sum + one.constant
        table.add_row(f"region {number}, on the {source}", f"{share:+.4f}")
    return table
