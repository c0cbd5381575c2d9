"""ReportService: what the server writes, limits and refusals."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from google.rpc import code_pb2
from made_reports import Page
from PIL import Image
from served import Served, picture

from partlens.client import (
    AsyncClient,
    Box,
    Client,
    GalleryImageId,
    Mask,
    Point,
    QueryId,
    QueryRegion,
    ReportFormat,
    RequestError,
)
from partlens.client.report.embedding import read_record
from partlens.client.report.errors import UnavailableFormatError
from partlens.client.report.verification import verified
from partlens.server.calls.status import status_of
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import report_service_pb2 as pb

REGIONS = [QueryRegion(Box(7.5, 5.5, 15, 11)), QueryRegion(Point(5, 5, snap=True), exclude=True)]


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.target) as one:
        yield one


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_a_search_is_reported_with_the_numbers_of_a_search(
    form: ReportFormat, client: Client, tmp_path: Path
) -> None:
    file = client.report_search(
        [picture(3)], REGIONS, format=form, title="Case 7: <b>", page_size=4, score="part"
    )
    kinds = {"html": "text/html", "pdf": "application/pdf"}
    assert (file.media_type, file.name) == (kinds[form], f"case-7-b.{form}")
    path = tmp_path / file.name
    path.write_bytes(file.data)
    record = read_record(path)
    answer = client.search_regions([picture(3)], REGIONS, page_size=4, score="part")
    reported = [(hit.id, hit.score) for hit in record.search.response.hits]
    assert reported == [(hit.id, hit.score) for hit in answer.hits]
    origin, gallery = record.origin, client.get_gallery()
    assert origin.model_digest == gallery.model.digest and origin.caller == "anyone"
    assert origin.server_version == gallery.server_version and not origin.client_version
    assert all(one.verdict == "agrees" for one in verified(record, client))


def test_a_pair_is_reported_with_its_regions(client: Client, tmp_path: Path) -> None:
    mask = Mask(np.ones((44, 30), np.bool_))
    file = client.report_pair(
        picture(3),
        GalleryImageId("04"),
        query_regions=[Point(4, 4), mask],
        retrieved_regions=[Box(1, 1, 20, 20)],
    )
    path = tmp_path / file.name
    path.write_bytes(file.data)
    page = Page(file.data.decode())
    assert len(page.pictures) == 2 * 3 + 3 * 2 and not page.links and not page.without_text
    record = read_record(path)
    assert all(one.verdict == "agrees" for one in verified(record, client))
    assert [one.digest for one in record.pictures][1] == client.get_image("04")[0].media_digest


async def test_a_mask_may_be_a_png(served: Served, tmp_path: Path) -> None:
    covered = np.zeros((44, 30), np.uint8)
    covered[11:33, 8:23] = 255
    out = io.BytesIO()
    Image.fromarray(covered).save(out, "PNG")
    png = region_pb.Region(mask=region_pb.Mask(png=out.getvalue()))
    async with AsyncClient(served.target) as client:
        request = pb.ReportSearchRequest(
            search=search_pb.SearchRegionsRequest(
                images=[image_pb.QueryImage(data=picture(3))],
                regions=[search_pb.QueryRegion(region=png)],
            )
        )
        answer = await client._ask(client._report.ReportSearch, request, 20)
        by_box = await client.search_regions([picture(3)], [QueryRegion(Box(8, 11, 15, 22))])
    (tmp_path / "a.html").write_bytes(answer.report.data)
    record = read_record(tmp_path / "a.html")
    scores = [hit.score for hit in record.search.response.hits]
    np.testing.assert_allclose(scores, [hit.score for hit in by_box.hits], atol=1e-6)
    assert f"mask of {22 * 15} pixels" in answer.report.data.decode()


def test_a_query_id_is_shown_and_embedded(client: Client, tmp_path: Path) -> None:
    answer = client.search_regions([picture(3)], REGIONS)
    file = client.report_search([QueryId(answer.queries[0].id)], REGIONS)
    (tmp_path / "a.html").write_bytes(file.data)
    assert read_record(tmp_path / "a.html").search.request.images[0].data == picture(3)
    assert "picture not available" not in file.data.decode()


def test_what_cannot_be_reported_is_named(client: Client) -> None:
    with pytest.raises(RequestError, match=r"search\.regions\[0\].*outside") as error:
        client.report_search([picture(3)], [QueryRegion(Box(900, 0, 5, 5))])
    assert error.value.field.startswith("search.regions[0]")
    with pytest.raises(RequestError, match="title: 257 characters"):
        client.report_search([picture(3)], REGIONS, title="x" * 257)
    with pytest.raises(RequestError, match=r"search\.page_size"):
        client.report_search([picture(3)], REGIONS, page_size=201, format="pdf")
    with pytest.raises(RequestError, match="format must be one of"):
        client.report_search([picture(3)], REGIONS, format="odt")  # type: ignore[arg-type]


async def test_a_later_page_is_not_reported(served: Served) -> None:
    async with AsyncClient(served.target) as client:
        request = pb.ReportSearchRequest(
            search=search_pb.SearchRegionsRequest(page_token="later"), format=pb.REPORT_FORMAT_PDF
        )
        with pytest.raises(RequestError, match=r"search\.page_token: a report shows the first"):
            await client._ask(client._report.ReportSearch, request, 20)


def test_a_report_is_audited_under_the_id_that_it_names(
    served: Served, client: Client, tmp_path: Path
) -> None:
    """With the query, hits and version of the search, not of what else the report asks for."""
    file = client.report_search([picture(3)], REGIONS, page_size=4)
    answer = client.search_regions([picture(3)], REGIONS, page_size=4)
    (tmp_path / "a.html").write_bytes(file.data)
    lines = (served.model.parent / "gallery.audit.jsonl").read_text().splitlines()
    written = {one.get("request"): one for one in map(json.loads, lines)}
    assert sum(one.get("request") == answer.request_id for one in map(json.loads, lines)) == 1
    reported = written[read_record(tmp_path / "a.html").origin.request_id]
    searched = written[answer.request_id]
    assert (reported["method"], reported["hits"]) == ("ReportSearch", 4)
    for fact in ("query", "hits", "gallery_version", "outcome"):
        assert reported[fact] == searched[fact], fact


def test_a_server_without_the_libraries_says_so_and_names_none_of_its_files() -> None:
    status = status_of(UnavailableFormatError("cannot load /usr/lib/libpango.so"), "id")
    assert status.code == code_pb2.UNIMPLEMENTED
    assert "/usr" not in status.message and "ask for HTML" in status.message
