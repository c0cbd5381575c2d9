"""What the page computes from a pair matrix is what the server says of the same regions."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from page_modules import Ask, answering
from page_server import PageServer

from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2

SIDES = {"a": pb.PAIR_SIDE_QUERY, "b": pb.PAIR_SIDE_RETRIEVED}
# The largest error of a half-precision number, as a share of it.
HALF = 2.0**-11


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Asks one question of the page's own modules."""
    with answering(Path(__file__).with_name("pairs.ts")) as asked:
        yield asked


Pin = tuple[str, region_pb2.Region]


def box(x: float, y: float, width: float, height: float) -> region_pb2.Region:
    return region_pb2.Region(box=region_pb2.Box(x=x, y=y, width=width, height=height))


def point(x: float, y: float) -> region_pb2.Region:
    return region_pb2.Region(point=region_pb2.Point(x=x, y=y))


def polygon(*corners: tuple[float, float]) -> region_pb2.Region:
    points = [region_pb2.Point(x=x, y=y) for x, y in corners]
    return region_pb2.Region(polygon=region_pb2.Polygon(points=points))


# Pictures are 96 pixels wide and 192 high.
PINS: dict[str, list[Pin]] = {
    "nothing": [],
    "one point": [("a", point(48, 90))],
    "both images": [("a", box(20, 60, 50, 44)), ("b", polygon((10, 20), (80, 30), (40, 150)))],
    "overlaps": [
        ("b", box(0, 0, 96, 100)),
        ("a", point(3, 190)),
        ("b", box(30, 50, 60.5, 142)),
        ("a", box(0, 0, 96, 192)),
    ],
}


def explained(server: PageServer, images: list[str], pins: list[Pin]) -> pb.ExplainPairResponse:
    """Ask the server over HTTP, like the page does."""
    request = pb.ExplainPairRequest(
        regions=[pb.PairRegion(side=SIDES[side], region=region) for side, region in pins],
        pairs=pb.PairSelection(),
    )
    request.query.gallery_id, request.retrieved.gallery_id = images
    answer = httpx.post(
        f"{server.url}/partlens.v1.PartSearchService/ExplainPair",
        content=request.SerializeToString(),
        headers={"Content-Type": "application/proto"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return pb.ExplainPairResponse.FromString(answer.content)


def as_question(answer: pb.ExplainPairResponse, pins: list[Pin]) -> dict[str, Any]:
    matrix = base64.b64encode(answer.pairs.values).decode()
    fields = MessageToDict(answer, always_print_fields_with_no_presence=True)
    return {
        "answer": fields,
        "matrix": matrix,
        "pins": [{"side": side, "region": as_region(region)} for side, region in pins],
    }


def as_region(region: region_pb2.Region) -> dict[str, Any]:
    kind = region.WhichOneof("shape")
    assert kind is not None
    fields = MessageToDict(getattr(region, kind), always_print_fields_with_no_presence=True)
    return {"kind": kind, "snap": False, **fields}


@pytest.fixture(scope="module", params=["two people", "a person twice"])
def images(request: pytest.FixtureRequest, served_page: PageServer) -> list[str]:
    names = [served_page.picture(number).stem for number in (0, 7)]
    return names if request.param == "two people" else [names[0], names[0]]


@pytest.mark.parametrize("pins", PINS.values(), ids=PINS.keys())
def test_partial_maps_of_the_page_are_those_of_the_server(
    ask: Ask, served_page: PageServer, images: list[str], pins: list[Pin]
) -> None:
    answer = explained(served_page, images, pins)
    computed = ask(as_question(answer, pins))["partials"]
    values = np.frombuffer(answer.pairs.values, "<f2").astype(np.float64) * answer.pairs.scale
    matrix = values.reshape(len(answer.pairs.positions), -1)
    assert len(computed) == len(answer.partial_maps) == len(pins)
    for (side, _), page, server in zip(pins, computed, answer.partial_maps, strict=True):
        rows = matrix if side == "a" else matrix.T
        rounding = 2 * HALF * (np.array(page["shares"]) @ np.abs(rows)) + 1e-6
        assert np.all(np.abs(np.array(page["values"]) - server.map.values) <= rounding)
        assert page["constant"] == pytest.approx(server.constant, abs=1e-5)
        whole = float(np.sum(server.map.values)) + server.constant
        assert page["adds"]["places"] + page["adds"]["bias"] == pytest.approx(whole, abs=1e-4)
        assert page["adds"]["bias"] == pytest.approx(server.constant, abs=1e-5)


@pytest.mark.parametrize("pins", PINS.values(), ids=PINS.keys())
def test_the_table_of_a_pair_adds_up_to_its_similarity(
    ask: Ask, served_page: PageServer, images: list[str], pins: list[Pin]
) -> None:
    answer = explained(served_page, images, pins)
    table = ask(as_question(answer, pins))["table"]
    cells = np.array([row["cells"] for row in table["rows"]], float)
    onto = [sum(side == name for side, _ in pins) for name in SIDES]
    assert cells.shape == (onto[0] + 3, onto[1] + 3)
    assert np.allclose(cells[:-1].sum(0), cells[-1], atol=1e-5)
    assert np.allclose(cells[:, :-1].sum(1), cells[:, -1], atol=1e-5)
    assert cells[-1, -1] == pytest.approx(answer.similarity, abs=1e-4)
    totals = [
        sum(partial.map.values) + partial.constant
        for name in SIDES
        for (side, _), partial in zip(pins, answer.partial_maps, strict=True)
        if side == name
    ]
    shown = [*cells[: onto[0], -1], *cells[-1, : onto[1]]]
    assert shown == pytest.approx(totals, abs=1e-4)
