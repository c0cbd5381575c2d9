"""`partlens bench fanout`, `partlens bench shares` and `partlens bench scale`."""

from pathlib import Path

import click

from partlens.client.cli.arguments import FiniteRange
from partlens.common.results import json_option
from partlens.common.storage import Storage
from partlens.indexer import arguments as gallery_arguments
from partlens.indexer.gallery.cli import Bytes
from partlens.server.bench.counts import Counts
from partlens.server.bench.fanout import printing
from partlens.server.bench.fanout.arguments import AT_ONCE, Assumed, assumptions, clear_errors
from partlens.server.bench.fanout.cluster import Cluster
from partlens.server.bench.fanout.comparison import compared
from partlens.server.bench.fanout.estimates import Basis, Machine, Prices, Wanted, cheapest
from partlens.server.bench.fanout.measured import read
from partlens.server.bench.fanout.measuring import measure
from partlens.server.bench.fanout.outcome import Case, fewest_nodes, outcome, replicas_for

_POWERS = "1,2,4,8,16,32,64,128,256"
_MOST_SHARDS, _LEAST_SHARE = 4096, 100


@click.command("fanout")
@click.option("--images", default=100_000_000, show_default=True, type=click.IntRange(1))
@click.option("--shards", "counts", type=Counts(), default=_POWERS, show_default=True)
@click.option(
    "--replicas",
    default=2,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Replicas of each shard; with --aim-ms, at least.",
)
@click.option(
    "--at-once",
    default=AT_ONCE,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="Searches that a replica runs at once; others wait.",
)
@click.option(
    "--cold",
    default=0.0,
    show_default=True,
    type=FiniteRange(0, 1),
    help="Share of the candidates that are read from disk.",
)
@click.option(
    "--aim-ms",
    type=FiniteRange(0, 3_600_000, min_open=True),
    help="Find the replicas and nodes with which p99 keeps to this.",
)
@click.option(
    "--measured",
    type=click.Path(path_type=Path),
    help="Predict the runs of a file of `partlens bench shares`, and compare. Only --seed counts.",
)
@assumptions
@json_option
def fanout(
    assumed: Assumed,
    images: int,
    counts: tuple[int, ...],
    replicas: int,
    at_once: int,
    cold: float,
    aim_ms: float | None,
    measured: Path | None,
    as_json: bool,
) -> None:
    """Simulate searches that wait for every shard, and print their latency by shard count.

    Queries arrive at random, the front asks every shard, each call goes to the replica with the
    fewest, and the slowest answer decides. A shard's search time is drawn from measured ones, and
    scaled to its images as `partlens index plan` does. Each replica has a node of its own. Equal
    seeds give equal results.
    """
    if measured is not None:
        with clear_errors():
            found = compared(read(measured), assumed.load.seed)
        printing.show(found, printing.comparisons(found), as_json=as_json)
        return
    if max(counts) > _MOST_SHARDS:
        raise click.UsageError(f"--shards takes at most {_MOST_SHARDS} shards, got {max(counts)}")
    case = Case(
        assumed.service,
        images,
        Cluster(1, replicas, at_once),
        assumed.costs,
        assumed.trouble,
        assumed.load,
        cold,
        assumed.read_ms,
    )
    if aim_ms is None:
        outcomes = [outcome(case, shards) for shards in counts]
        printing.show(outcomes, printing.outcomes(outcomes), as_json=as_json)
        return
    met = {shards: replicas_for(case, shards, aim_ms) for shards in counts}
    best = fewest_nodes(list(met.values()))
    facts = {"aim_ms": aim_ms, "met": met, "fewest_nodes": best}
    table = printing.outcomes([one for one in met.values() if one is not None])
    printing.show(facts, table, *printing.aim(met, best, aim_ms), as_json=as_json)


@click.command("shares")
@click.option("--images", default=100_000, show_default=True, type=click.IntRange(1000))
@click.option(
    "--shards",
    "counts",
    type=Counts(),
    default="1,2,4",
    show_default=True,
    help="Into how many shares; each divides --images.",
)
@click.option(
    "--rate",
    "rates",
    multiple=True,
    default=(10.0, 60.0),
    show_default=True,
    type=FiniteRange(0.1, 10_000),
    help="Queries that arrive in a second; repeatable.",
)
@click.option("--queries", default=200, show_default=True, type=click.IntRange(10, 100_000))
@click.option(
    "--rounds",
    default=1,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Keep the least of each time in so many rounds, where other programs disturb them.",
)
@click.option(
    "--folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the galleries; missing ones are filled.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the times, which `partlens bench fanout` reads.",
)
@json_option
def shares(
    images: int,
    counts: tuple[int, ...],
    rates: tuple[float, ...],
    queries: int,
    rounds: int,
    folder: Path,
    out: Path,
    as_json: bool,
) -> None:
    """Search shares of a generated gallery in a process each, one alone and all at once.

    Each process searches its share on one thread; together the shares hold the images of one
    gallery. A million images take 9 GB for each number of shards. Then the runs are predicted, as
    by `partlens bench fanout --measured FILE`.
    """
    for count in counts:
        if images % count or images // count < _LEAST_SHARE:
            raise click.UsageError(
                f"{images} images cannot be divided into {count} equal shares of at least"
                f" {_LEAST_SHARE}; choose other --images or --shards"
            )
    with clear_errors(), gallery_arguments.clear_errors():
        found = measure(folder, images, counts, rates, queries, rounds)
        found.write(out)
        comparisons = compared(found, seed=0)
    printing.show(comparisons, printing.comparisons(comparisons), as_json=as_json)


@click.command("scale")
@click.option(
    "--images",
    multiple=True,
    default=(1_000_000, 100_000_000, 1_000_000_000),
    show_default=True,
    type=click.IntRange(10_000),
    help="Images of a gallery; repeatable.",
)
@click.option("--positions", default=32, show_default=True, type=click.IntRange(1))
@click.option("--dimensions", default=128, show_default=True, type=click.IntRange(1))
@gallery_arguments.STORAGE
@click.option(
    "--thumbnail",
    default="4KiB",
    show_default=True,
    type=Bytes(),
    help="Size of a thumbnail.",
)
@click.option(
    "--aim-ms",
    default=500.0,
    show_default=True,
    type=FiniteRange(0, 3_600_000, min_open=True),
    help="p99 that a query should keep to.",
)
@click.option("--replicas", default=2, show_default=True, type=click.IntRange(1, 64))
@click.option("--cores", default=16, show_default=True, type=click.IntRange(1, 1024))
@click.option(
    "--at-once",
    default=AT_ONCE,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="Searches that a replica runs at once; others wait.",
)
@click.option(
    "--memory", default="64GiB", show_default=True, type=Bytes(), help="Memory of a node."
)
@click.option(
    "--front-memory", type=Bytes(), help="Memory of the front; that of a node by default."
)
@click.option("--disk", default="2TiB", show_default=True, type=Bytes(), help="Disk of a node.")
@click.option(
    "--network",
    default="1GiB",
    show_default=True,
    type=Bytes(),
    help="What a node reads from the object store in a second.",
)
@click.option(
    "--indexing",
    default=75.0,
    show_default=True,
    type=FiniteRange(0, 1_000_000, min_open=True),
    help="Images that one core decomposes in a second (`partlens bench index`).",
)
@click.option(
    "--node-price",
    default=0.8,
    show_default=True,
    type=FiniteRange(0, 1_000_000),
    help="Price of one node for an hour, in any currency.",
)
@click.option(
    "--store-price",
    default=23.0,
    show_default=True,
    type=FiniteRange(0, 1_000_000),
    help="Price of one TB in the object store for a month.",
)
@assumptions
@json_option
def scale(
    assumed: Assumed,
    images: tuple[int, ...],
    positions: int,
    dimensions: int,
    storage: Storage,
    thumbnail: int,
    aim_ms: float,
    replicas: int,
    cores: int,
    at_once: int,
    memory: int,
    front_memory: int | None,
    disk: int,
    network: int,
    indexing: float,
    node_price: float,
    store_price: float,
    as_json: bool,
) -> None:
    """Estimate bytes, nodes, latency and cost of galleries of several sizes.

    For each size, the number of shards that meets --aim-ms at the least cost is chosen, or one
    machine without shards. Latency is simulated as by `partlens bench fanout`; bytes and times come
    from measured figures of one node. Nothing is measured.
    """
    basis = Basis(
        assumed.service,
        Machine(cores, at_once, memory, disk, network, front_memory or memory, indexing),
        Prices(node_price, store_price),
        assumed.costs,
        assumed.trouble,
        assumed.load,
        assumed.read_ms,
    )
    made = [
        cheapest(Wanted(count, positions, dimensions, storage, thumbnail, aim_ms, replicas), basis)
        for count in images
    ]
    printing.show(made, printing.estimates(made), as_json=as_json)
