"""Every command of `partlens`, one row each, so that listing them imports none of them."""

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """A command.

    Attributes:
        summary: the first sentence of its help.
        place: module:attribute of the click command.
    """

    summary: str
    place: str


COMMANDS: Mapping[str, Row] = {
    "audit": Row(
        "Verify the audit log.",
        "partlens.server.audit.cli:audit",
    ),
    "bench": Row(
        "Run benchmarks; costs are ratios of times measured in the same run.",
        "partlens.cli.bench:bench",
    ),
    "bridge": Row(
        "Send pictures from other systems to the ingest stream.",
        "partlens.ingest.bridge.cli:bridge",
    ),
    "completion": Row(
        "Print a script that completes commands and options in SHELL.",
        "partlens.cli.completion:completion",
    ),
    "config": Row(
        "Show the effective settings, or the reference page for all settings.",
        "partlens.runtime.config.cli:config",
    ),
    "doctor": Row(
        "Check the installation and whether a server would start; report problems and exit 1.",
        "partlens.server.doctor.cli:doctor",
    ),
    "evaluate": Row(
        "Measure models, scores and explanations on annotated images.",
        "partlens.explainer.evaluation.commands.evaluate:evaluate",
    ),
    "explain": Row(
        "Decompose the similarity of two images by position, with a server or without.",
        "partlens.cli.explain:explain",
    ),
    "gallery": Row(
        "List the galleries of a server, and move their aliases.",
        "partlens.client.cli.galleries:gallery",
    ),
    "health": Row(
        "Exit 0 once the server is ready, 3 if it is not ready in time.",
        "partlens.client.cli.health:health",
    ),
    "images": Row(
        "Add, list, count and update a server's images, and save their pictures.",
        "partlens.cli.images:images",
    ),
    "index": Row(
        "Create and fill galleries.",
        "partlens.cli.index:index",
    ),
    "ingest": Row(
        "Add pictures from a Redis stream to the gallery.",
        "partlens.ingest.cli:ingest",
    ),
    "maps": Row(
        "Write what each image of FOLDER has in common with a query, without a server.",
        "partlens.cli.maps:maps",
    ),
    "model": Row(
        "Create and inspect model folders.",
        "partlens.explainer.cli:model",
    ),
    "open": Row(
        "Index the folder PHOTOS, and search it in a browser on this machine, until Ctrl-C.",
        "partlens.server.opening.cli:open_command",
    ),
    "report": Row(
        "Write reports of searches and comparisons for a case file, and verify them.",
        "partlens.client.cli.report:report",
    ),
    "search": Row(
        "Find the images that contain the marked parts of the query images.",
        "partlens.client.cli.search:search",
    ),
    "serve": Row(
        "Serve region searches over gRPC, and with --http in browsers, until SIGINT or SIGTERM.",
        "partlens.server.cli:serve",
    ),
    "setup": Row(
        "Prepare FOLDER for a server with TLS and tokens: model, gallery, certificates, settings.",
        "partlens.server.setup.cli:setup",
    ),
    "standing": Row(
        "Save searches, score every new image against them, and watch for matches.",
        "partlens.client.cli.standing:standing",
    ),
    "starter": Row(
        "Generated pictures of people, and the small model trained on them.",
        "partlens.explainer.starter.cli:starter",
    ),
    "token": Row(
        "Create, list and revoke access tokens.",
        "partlens.server.access.cli:token",
    ),
}

BENCH: Mapping[str, Row] = {
    "erase": Row(
        "Compare the time to erase images from a gallery with that of reading its files.",
        "partlens.indexer.bench.erasing:erase_command",
    ),
    "fanout": Row(
        "Simulate searches that wait for every shard, and print their latency by shard count.",
        "partlens.server.bench.fanout.cli:fanout",
    ),
    "faults": Row(
        "Kill a replica and a node of a Ray cluster on this machine, and print what searches saw.",
        "partlens.server.bench.faults.cli:faults",
    ),
    "growth": Row(
        "Search generated galleries of several sizes, and compare their recall and latency.",
        "partlens.indexer.bench.growing:growth",
    ),
    "head": Row(
        "Compare the time of decomposing with the backbone's, for each model.",
        "partlens.explainer.bench.head:head",
    ),
    "index": Row(
        "Compare the speed of indexing with the bare backbone's.",
        "partlens.indexer.bench.indexing:index",
    ),
    "page": Row(
        "Drag a region in a real browser, and measure how soon the results follow.",
        "partlens.server.bench.page:page",
    ),
    "scale": Row(
        "Estimate bytes, nodes, latency and cost of galleries of several sizes.",
        "partlens.server.bench.fanout.cli:scale",
    ),
    "score": Row(
        "Compare the time of scoring candidates with that of the product and the reading it needs.",
        "partlens.indexer.bench.scoring:score",
    ),
    "search": Row(
        "Search a generated gallery by regions, and compare the time of each contender.",
        "partlens.server.bench.search:search",
    ),
    "serve": Row(
        "Start a server on loopback and search it from many clients concurrently.",
        "partlens.server.bench.serve:serve",
    ),
    "sharded": Row(
        "Compare searches by shards on a Ray cluster of this machine with searches without shards.",
        "partlens.server.bench.sharded:sharded",
    ),
    "shares": Row(
        "Search shares of a generated gallery in a process each, one alone and all at once.",
        "partlens.server.bench.fanout.cli:shares",
    ),
    "startup": Row(
        "Compare the start-up time of commands that need no model with importing click.",
        "partlens.cli.startup:startup",
    ),
    "standing": Row(
        "Compare scoring new images against all standing queries with one search per query.",
        "partlens.server.bench.standing:standing",
    ),
    "upload": Row(
        "Upload images to a server on loopback from several clients at the same time.",
        "partlens.server.bench.upload:upload",
    ),
}

INDEX: Mapping[str, Row] = {
    "build": Row(
        "Add the images of a folder, a manifest or s3://bucket/prefix on a Ray cluster.",
        "partlens.indexer.ray_build.cli:build",
    ),
    "erase": Row(
        "Erase images from every file, verify that they are gone, and write a receipt.",
        "partlens.server.retention.cli:erase_command",
    ),
    "retain": Row(
        "List images older than the retention period; with --receipt, erase them.",
        "partlens.server.retention.cli:retain_command",
    ),
    "reindex": Row(
        "Fill the gallery NEW of another model with the images of OLD, which a server may be"
        " serving.",
        "partlens.server.reindexing.cli:reindex",
    ),
    "restore": Row(
        "Write FOLDER with everything of a snapshot, each file compared with its checksum.",
        "partlens.server.backup.cli:restore_command",
    ),
    "snapshot": Row(
        "Write a snapshot of GALLERY, and of what its server keeps, to the new folder TARGET.",
        "partlens.server.backup.cli:snapshot_command",
    ),
}
"""Commands of `partlens index` that are not the indexer's own."""
