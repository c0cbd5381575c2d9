"""The Grafana dashboard asks for what a server exports, and for labels that it has."""

import json
import re
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.server.conftest import Running, picture

from partlens.client import AsyncClient, Box, QueryRegion, Upload
from partlens.ingest.bridge.metrics import BridgeMetrics
from partlens.ingest.metrics import IngestMetrics

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana" / "partlens.json"
# Prometheus adds it to every series that it fetches.
ADDED = {"instance"}


async def exported(running: Running) -> dict[str, set[str]]:
    """The labels of every series of a server, a worker and a bridge that were used, by name."""
    async with AsyncClient(running.address) as client:
        await client.upsert_images([Upload("a", picture(1))])
        await client.search_regions([picture(2)], [QueryRegion(Box(0, 0, 20, 20))])
    running.server.metrics.gallery.of("a").retention_completed()
    running.server.metrics.shards.of("a", 1)
    ingest, bridge = IngestMetrics(), BridgeMetrics()
    ingest.entries.labels("committed").inc()
    bridge.messages.labels("pushed").inc()
    registries = (running.server.metrics.registry, ingest.registry, bridge.registry)
    text = "".join(generate_latest(registry).decode() for registry in registries)
    return {
        sample.name: set(sample.labels) | ADDED
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_every_expression_names_metrics_and_labels_that_there_are(running: Running) -> None:
    series = await exported(running)
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) >= 10
    shown = set()
    for expression in expressions:
        names = re.findall(r"\b(?:grpc_server|partlens)_\w+", expression)
        assert names, expression
        for name in names:
            assert name in series, f"{expression}: the server has no {name}"
            labels = set(re.findall(r"[{,]\s*(\w+)[=!]", expression))
            labels |= {
                label.strip()
                for group in re.findall(r"by \(([^)]*)\)", expression)
                for label in group.split(",")
            }
            assert labels <= series[name], f"{expression}: {name} has no {labels - series[name]}"
            shown.add(name)
    # What is exported is shown: a metric that nobody looks at is not needed.
    families = {re.sub(r"_(bucket|sum|count|created|total)$", "", name) for name in series}
    looked_at = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in shown}
    assert families - looked_at == {"partlens_info"}


def test_panels_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        covered = {
            (place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])
        }
        assert not covered & cells and max(x for x, _ in covered) < 24
        cells |= covered
