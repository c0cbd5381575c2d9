"""`partlens explain`: why two images are similar."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from partlens.client.answers import PairAnswer
from partlens.client.cli.arguments import clear_errors, output_options, warn_of_bias
from partlens.client.cli.asked import Pair, pair_options
from partlens.client.cli.reporting import pair_report, write_report
from partlens.client.sync_client import Client
from partlens.common.tables import Table, say_table
from partlens.common.terminal import say


@click.command()
@pair_options
@output_options
def explain(asked: Pair, report: Path | None, as_json: bool, client: Client) -> None:
    """Decompose the similarity of two images by position.

    The images are PICTURES, then --gallery-id, then --query-id: the first is the query, the second
    the retrieved image. A region is [IMAGE:]SHAPE, in pixels of the upright image. IMAGE is 1 for
    the query (default) and 2 for the retrieved image. Each region's share of the similarity is
    shown on the other image.
    """
    with clear_errors(), client:
        answer = asked.answer(client)
        made = None if report is None else pair_report(client, asked, answer)
        bias_share = client.get_gallery().model.bias_share
    if as_json:
        say(json.dumps(_plain(answer) | {"bias_share": bias_share}))
    else:
        say_table(_table(answer))
        warn_of_bias(bias_share)
    if report is not None and made is not None:
        write_report(report, made)


def _plain(answer: PairAnswer) -> dict[str, object]:
    return {
        "similarity": answer.similarity,
        "terms": asdict(answer.terms),
        "query_map": answer.query_map.values.tolist(),
        "query_map_with_bias": answer.query_map_with_bias.values.tolist(),
        "retrieved_map": answer.retrieved_map.values.tolist(),
        "retrieved_map_with_bias": answer.retrieved_map_with_bias.values.tolist(),
        "partial_maps": [
            {"side": one.side, "map": one.map.values.tolist(), "constant": one.constant}
            for one in answer.partial_maps
        ],
        "query_ids": [answer.query.id, answer.retrieved.id],
    }


def _table(answer: PairAnswer) -> Table:
    table = Table("term (query x retrieved)", "share of the similarity")
    for name, value in asdict(answer.terms).items():
        table.add_row(name.replace("_", " x "), f"{value:+.4f}")
    table.add_row("cosine similarity", f"{answer.similarity:+.4f}", style="bold")
    for number, one in enumerate(answer.partial_maps, start=1):
        source = "query" if one.side == "retrieved" else "retrieved image"
        share = float(one.map.values.sum()) + one.constant
        table.add_row(f"region {number}, on the {source}", f"{share:+.4f}")
    return table
