"""Every command of `partlens`: one row each, so that listing them imports none of them."""

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
        "Check the log of what was asked by whom.",
        "partlens.server.audit.cli:audit",
    ),
    "bench": Row(
        "Measure what things cost, as ratios of times taken side by side in one run.",
        "partlens.cli.bench:bench",
    ),
    "bridge": Row(
        "Bring pictures of other systems into the ingest stream.",
        "partlens.ingest.bridge.cli:bridge",
    ),
    "config": Row(
        "Show the settings, or the page that explains them.",
        "partlens.runtime.config.cli:config",
    ),
    "doctor": Row(
        "Show what is installed and whether a server would start; exit 1 with what is wrong.",
        "partlens.server.doctor.cli:doctor",
    ),
    "evaluate": Row(
        "Measure models, scores and explanations on annotated images.",
        "partlens.explainer.evaluation.commands.evaluate:evaluate",
    ),
    "explain": Row(
        "Take the similarity of two images apart by position.",
        "partlens.client.cli.explain:explain",
    ),
    "health": Row(
        "Exit 0 once the server serves, 1 if it does not in time.",
        "partlens.client.cli.health:health",
    ),
    "index": Row(
        "Make and fill galleries.",
        "partlens.indexer.cli:index",
    ),
    "ingest": Row(
        "Bring pictures from a Redis stream into the gallery.",
        "partlens.ingest.cli:ingest",
    ),
    "model": Row(
        "Make and inspect model folders.",
        "partlens.explainer.cli:model",
    ),
    "search": Row(
        "Find the images that hold the marked parts of the query images.",
        "partlens.client.cli.search:search",
    ),
    "serve": Row(
        "Answer region searches over gRPC until SIGINT or SIGTERM.",
        "partlens.server.cli:serve",
    ),
    "setup": Row(
        "Prepare FOLDER for a locked server: model, gallery, certificates, tokens, settings.",
        "partlens.server.setup.cli:setup",
    ),
    "standing": Row(
        "Save searches that every new image is scored against, and watch their matches.",
        "partlens.client.cli.standing:standing",
    ),
    "starter": Row(
        "Generated pictures of people, and the small model trained on them.",
        "partlens.explainer.starter.cli:starter",
    ),
    "token": Row(
        "Make, list and revoke the tokens that a server lets in.",
        "partlens.server.access.cli:token",
    ),
}

BENCH: Mapping[str, Row] = {
    "head": Row(
        "Time the head's decomposition of each model folder beside its backbone's forward pass.",
        "partlens.explainer.bench.head:head",
    ),
    "index": Row(
        "Time indexing, files to rows on disk, beside the bare backbone at the same batch.",
        "partlens.indexer.bench.indexing:index",
    ),
    "search": Row(
        "Search a made-up gallery by regions, and say how long each contender takes.",
        "partlens.server.bench.search:search",
    ),
    "serve": Row(
        "Start a server on loopback, and search it from many clients at once.",
        "partlens.server.bench.serve:serve",
    ),
    "startup": Row(
        "Time commands that need no model, next to importing click.",
        "partlens.cli.startup:startup",
    ),
    "standing": Row(
        "Time the scoring of new images against all standing queries beside a search for each.",
        "partlens.server.bench.standing:standing",
    ),
}
