"""`partlens report`: written from a real server, and verified against it after changes."""

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from made_reports import Page
from served import Served, picture

from partlens.cli.main import main
from partlens.client import (
    Client,
    GalleryImageId,
    ImageUpdate,
    Metadata,
    QueryId,
    QueryRegion,
    Upload,
)
from partlens.client.report.embedding import read_record
from partlens.client.report.verification import verified
from partlens.common.regions import Box

REGION = ("--region", "7.5,5.5,15,11")
OPENING = '<script type="application/json" id="partlens-report">'


def partlens(served: Served, *arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--server", served.target])


@pytest.fixture
def query(tmp_path: Path) -> Path:
    path = tmp_path / "query.png"
    path.write_bytes(picture(3))
    return path


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.target) as one:
        yield one


@pytest.fixture
def searched(served: Served, query: Path, tmp_path: Path) -> Path:
    """The report of a search."""
    path = tmp_path / "search.html"
    done = partlens(served, "report", "search", query, *REGION, "--top", 3, "--out", path)
    assert done.exit_code == 0, done.output
    return path


def test_a_report_holds_100_hits_unless_told_otherwise(
    served: Served, client: Client, query: Path, tmp_path: Path
) -> None:
    images = client.get_gallery().images
    assert 20 < images <= 100
    for given, hits in (((), images), (("--top", 2), 2)):
        path = tmp_path / f"{hits}.html"
        done = partlens(served, "report", "search", query, *REGION, *given, "--out", path)
        assert done.exit_code == 0, done.output
        _, found = verdicts(served, path)
        assert sum(part.startswith("hit") for part in found) == hits


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of a page whose data somebody has edited."""
    before, _, rest = path.read_text().partition(OPENING)
    data, _, after = rest.partition("</script>")
    plain = json.loads(data)
    change(plain)
    copy = path.with_name("changed.html")
    copy.write_text(f"{before}{OPENING}{json.dumps(plain)}</script>{after}")
    return copy


def verdicts(served: Served, path: Path, *more: object) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit status, and verdict and detail of each part."""
    done = partlens(served, "report", "verify", path, "--json", *more)
    assert done.exit_code in (0, 1), done.output
    found = json.loads(done.stdout)
    return done.exit_code, {one["part"]: (one["verdict"], one["detail"]) for one in found}


def hits(plain: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plain["search"]["response"]["hits"]
    return found


def described(hit: dict[str, Any], **metadata: object) -> None:
    """Other metadata."""
    hit["image"].setdefault("metadata", {}).update(metadata)


def reshape(map: dict[str, Any]) -> None:
    """One row of all cells."""
    map.update(rows=1, cols=len(map["values"]), row_centres=[], col_centres=[])


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_reports_of_every_kind_agree(
    form: str, served: Served, query: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"report.{form}"
    marks = ("--like", "05", "--unlike", "06#xywh=1,1,20,20@0.5", "--exclude", "0,0,8,8")
    shapes = ("--snap", "10,10", "--polygon", "1,1,20,1,10,20", "--score", "part")
    for asked in (
        ("search", query, *REGION, *marks, "--exclude-id", "09", "--group-by", "camera"),
        ("search", query, "--gallery-id", "04", *shapes, "--region", "2:1,1,20,20@2"),
        ("search", "--gallery-id", "04", "--whole", "--exclude-identical"),
        ("pair", query, "--gallery-id", "04", "--snap", "3,3", "--region", "2:1,1,20,20"),
    ):
        done = partlens(served, "report", *asked, "--title", "Case 7", "--out", path)
        assert done.exit_code == 0, done.output
        shown = partlens(served, "report", "verify", path)
        assert shown.exit_code == 0, shown.output
        assert "Case 7, written" in shown.output and "agree within 0.0001" in shown.output
        assert "does not show who wrote the report" in shown.output


def test_a_page_says_where_its_numbers_come_from(
    served: Served, searched: Path, client: Client
) -> None:
    shown = " ".join(Page(searched.read_text()).texts)
    origin, model = read_record(searched).origin, client.get_gallery().model
    assert origin.model_digest == model.digest and model.digest in shown
    assert re.fullmatch("[0-9a-f]{16}", origin.request_id) and origin.request_id in shown
    assert origin.caller == "anyone" and origin.server == served.target
    assert "What a map shows, and what it does not" in shown
    assert picture(3) == read_record(searched).search.request.images[0].data


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda hit: hit.update(score=hit["score"] + 0.001), "add up to"),
        (lambda hit: hit.update(score=hit["score"] + 0.001), "score"),
        (lambda hit: hit.update(constant=hit.get("constant", 0) + 0.001), "constant"),
        (lambda hit: hit["box"].update(x=hit["box"].get("x", 0) + 1), "box at"),
        (lambda hit: hit["map"]["values"].__setitem__(0, 5), "map differs by up to"),
        (lambda hit: reshape(hit["map"]), "map of shape"),
        (lambda hit: hit.pop("map"), "the report has no map"),
        (lambda hit: hit["image"].update(width=31), "size 30x44, in the report 31x44"),
        (lambda hit: hit["image"].update(uri="file:///a"), "location none, in the report"),
        (lambda hit: described(hit, camera="c"), "camera none, in the report 'c'"),
        (lambda hit: described(hit, track="t"), "track none, in the report 't'"),
        (
            lambda hit: described(hit, captured_at="2026-11-29T01:02:03Z"),
            "capture time none, in the report '2026-11-29T01:02:03+00:00'",
        ),
        (lambda hit: described(hit, attributes={"a": "b"}), "attribute 'a' none, in the report"),
    ],
)
def test_an_edited_part_of_a_hit_is_found(
    change: Callable[[dict[str, Any]], object], detail: str, served: Served, searched: Path
) -> None:
    status, found = verdicts(served, changed(searched, lambda plain: change(hits(plain)[1])))
    assert status == 1
    assert found["hit 2"][0] == "differs" and detail in found["hit 2"][1]
    others = {one[0] for part, one in found.items() if part != "hit 2"}
    assert others == {"agrees"}


def test_hits_in_another_order_are_found(served: Served, searched: Path) -> None:
    status, found = verdicts(served, changed(searched, lambda plain: hits(plain).reverse()))
    assert status == 1 and found["hit 1"][0] == "agrees"
    assert found["hit 3"] == ("differs", "ranked below hit 2, which has a lower score")


def test_a_report_of_no_hits_agrees_only_if_nothing_is_found(
    served: Served, searched: Path, query: Path, tmp_path: Path
) -> None:
    status, found = verdicts(served, changed(searched, lambda plain: hits(plain).clear()))
    assert status == 1
    assert found["hits"] == ("differs", "the report lists no image, but this one passes its filter")
    path = tmp_path / "none.html"
    done = partlens(served, "report", "search", query, *REGION, "--camera", "c", "--out", path)
    assert done.exit_code == 0, done.output
    done = partlens(served, "report", "verify", path)
    assert done.exit_code == 0 and "All 3 agree" in done.output
    assert "No number" not in done.output


def test_an_edited_size_of_a_query_image_is_found(served: Served, searched: Path) -> None:
    def widen(plain: dict[str, Any]) -> None:
        plain["search"]["response"]["queries"][0]["width"] = 300

    status, found = verdicts(served, changed(searched, widen))
    assert status == 1
    assert found["size of query image 1"][1].startswith("size 30x44, in the report 300x44")


def test_no_text_of_a_report_makes_a_line_of_its_own(served: Served, searched: Path) -> None:
    forged = "a\nAll 9 agree within 0.0001.\x1b[8m"

    def forge(plain: dict[str, Any]) -> None:
        plain["title"] = plain["origin"]["request_id"] = forged
        plain["search"]["request"]["images"][0] = {"query_id": "q-" + "0" * 40}
        plain["pictures"][0]["name"] = forged

    same = searched.with_name("same.png")
    same.write_bytes(picture(3))
    forgery = changed(searched, forge)
    shown = partlens(served, "report", "verify", forgery, "--picture", same).output
    assert "All 5 agree" in shown and "\x1b" not in shown
    lines = [line for line in shown.splitlines() if "All 9 agree" in line]
    assert len(lines) == 2 and all(r"a\nAll 9" in line for line in lines)


def test_another_query_region_gives_other_numbers(served: Served, searched: Path) -> None:
    def move(plain: dict[str, Any]) -> None:
        plain["search"]["request"]["regions"][0]["region"]["box"]["x"] = 0.5

    status, found = verdicts(served, changed(searched, move))
    assert status == 1 and found["hit 1"][0] == "differs"


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("model_digest", "sha256:" + "1" * 64, "digest sha256:"),
        ("model_name", "other", "name 'tiny', in the report 'other'"),
        ("bias_share", 40.0, "length of the bias"),
    ],
)
def test_another_model_is_named(
    field: str, value: object, detail: str, served: Served, searched: Path
) -> None:
    other = changed(searched, lambda plain: plain["origin"].update({field: value}))
    status, found = verdicts(served, other)
    assert status == 1 and found["hit 1"][0] == "agrees"
    assert found["model"][0] == "differs" and found["model"][1].startswith(detail)


def test_a_report_of_a_nested_filter_agrees_until_its_images_lose_the_attribute(
    served: Served, client: Client, tmp_path: Path
) -> None:
    ids, page, query = ["speed-a", "speed-b"], tmp_path / "page.html", tmp_path / "query.png"
    query.write_bytes(picture(200))
    uploads = [
        Upload(id, picture(400 + i), metadata=Metadata(attributes={"case speed": str(9 + i)}))
        for i, id in enumerate(ids)
    ]
    assert all(one.committed for one in client.upsert_images(uploads))
    where = "not camera = gate and ('case speed' >= 10 or 'case speed' in (fast, slow))"
    try:
        command = ("search", query, *REGION, "--where", where, "--out", page)
        done = partlens(served, "report", *command)
        assert done.exit_code == 0, done.output
        shown = " ".join(html.unescape(page.read_text()).split())
        assert "'case speed' >= 10" in shown and "'case speed' in (fast, slow)" in shown
        assert [hit.id for hit in read_record(page).search.response.hits] == ["speed-b"]
        status, found = verdicts(served, page)
        assert status == 0 and found["hit 1"][0] == "agrees"
        slower = ImageUpdate("speed-b", attributes={"case speed": "9.5"})
        for updates in ([slower], [ImageUpdate(id, clear=["attributes"]) for id in ids]):
            assert client.update_images(updates).updated == len(updates)
            status, found = verdicts(served, page)
            assert (
                status == 1 and found["hit 1"][1] == "the image does not pass the report's filter"
            )
    finally:
        client.delete_images(ids)


@pytest.mark.parametrize(("condition", "hit"), [("exclude_ids", 0), ("ids", 1)])
def test_an_image_that_does_not_pass_the_filter_is_found(
    condition: str, hit: int, served: Served, searched: Path
) -> None:
    def narrow(plain: dict[str, Any]) -> None:
        plain["search"]["request"]["filter"] = {condition: [hits(plain)[hit]["id"]]}

    status, found = verdicts(served, changed(searched, narrow))
    assert status == 1 and found["hit 1"] == (
        "differs",
        "the image does not pass the report's filter",
    )


def test_images_that_were_replaced_or_deleted_are_found(
    served: Served, client: Client, tmp_path: Path
) -> None:
    ids = ["case-a", "case-b", "case-c"]
    uploads = [Upload(id, picture(200 + number)) for number, id in enumerate(ids)]
    assert all(one.committed for one in client.upsert_images(uploads))
    (tmp_path / "query.png").write_bytes(picture(200))
    searched, paired = tmp_path / "search.html", tmp_path / "pair.pdf"
    try:
        by_id = ("--gallery-id", "case-c", *REGION)
        for command in (
            ("search", tmp_path / "query.png", *REGION, "--top", 40, "--out", searched),
            ("search", *by_id, "--out", tmp_path / "by-id.html"),
            ("pair", tmp_path / "query.png", "--gallery-id", "case-a", "--out", paired),
        ):
            done = partlens(served, "report", *command)
            assert done.exit_code == 0, done.output
        numbers = {hit.id: n for n, hit in enumerate(read_record(searched).search.response.hits, 1)}
        assert all(one.committed for one in client.upsert_images([Upload("case-a", picture(300))]))
        client.delete_images(["case-b", "case-c"])
        status, found = verdicts(served, searched)
        assert status == 1
        assert found.pop(f"hit {numbers['case-a']}")[0] == "replaced"
        assert found.pop(f"hit {numbers['case-b']}")[0] == "gone"
        assert found.pop(f"hit {numbers['case-c']}")[0] == "gone"
        assert {one[0] for one in found.values()} == {"agrees"}
        # A query image that has changed makes every other number meaningless.
        assert verdicts(served, paired) == (
            1,
            {
                "model": ("agrees", ""),
                "query image 1": ("agrees", ""),
                "query image 2": ("replaced", found_detail(client, paired)),
            },
        )
        status, found = verdicts(served, tmp_path / "by-id.html")
        assert status == 1 and found["query image 1"][0] == "gone" and "hit 1" not in found
    finally:
        client.delete_images(ids)


def found_detail(client: Client, path: Path) -> str:
    now = client.get_image("case-a")[0].media_digest
    return f"file {now}, in the report {read_record(path).pictures[1].digest}"


def test_a_picture_that_the_report_lacks_can_be_given(
    served: Served, searched: Path, tmp_path: Path
) -> None:
    """Only one that has the digest in the report."""

    def forget(plain: dict[str, Any]) -> None:
        plain["search"]["request"]["images"][0] = {"query_id": "q-" + "0" * 40}

    lacking = changed(searched, forget)
    done = partlens(served, "report", "verify", lacking)
    assert done.exit_code == 5 and "--picture" in done.output
    same, other = tmp_path / "same.png", tmp_path / "other.png"
    same.write_bytes(picture(3))
    other.write_bytes(picture(4))
    assert verdicts(served, lacking, "--picture", same)[0] == 0
    done = partlens(served, "report", "verify", lacking, "--picture", other)
    assert done.exit_code == 1 and "no query image of the report has it" in done.output


def test_a_query_id_is_embedded_while_its_picture_is_kept(
    served: Served, client: Client, tmp_path: Path
) -> None:
    asked = client.search_regions([picture(3)], [QueryRegion(Box(7, 5, 15, 11))])
    path = tmp_path / "report.html"
    by_id = ("--query-id", asked.queries[0].id, *REGION)
    assert partlens(served, "report", "search", *by_id, "--out", path).exit_code == 0
    assert read_record(path).search.request.images[0].data == picture(3)
    assert verdicts(served, path)[0] == 0
    stored = client.search_regions([GalleryImageId("04")], [QueryRegion(Box(7, 5, 15, 11))])
    by_id = ("--query-id", stored.queries[0].id, *REGION)
    assert partlens(served, "report", "search", *by_id, "--out", path).exit_code == 0
    assert verdicts(served, path)[0] == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda pair: pair["response"].update(similarity=0.5),
        lambda pair: pair["response"]["terms"].update(position_position=0.5),
        lambda pair: pair["response"]["partial_maps"][0].update(constant=0.5),
        lambda pair: pair["response"]["retrieved_map"]["values"].__setitem__(0, 2),
        lambda pair: pair["request"]["regions"][0]["region"]["box"].update(width=5),
    ],
)
def test_an_edited_pair_is_found(
    change: Callable[[dict[str, Any]], object], served: Served, query: Path, tmp_path: Path
) -> None:
    path = tmp_path / "pair.html"
    done = partlens(served, "report", "pair", query, "--gallery-id", "04", *REGION, "--out", path)
    assert done.exit_code == 0, done.output
    status, found = verdicts(served, changed(path, lambda plain: change(plain["pair"])))
    assert status == 1 and "differs" in {one[0] for one in found.values()}


def test_a_record_is_not_changed_by_verification(
    served: Served, searched: Path, client: Client
) -> None:
    record = read_record(searched)
    before = record.SerializeToString(deterministic=True)
    assert all(one.verdict == "agrees" for one in verified(record, client))
    assert record.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("name", ["report.txt", "report", "report.pdf.exe"])
def test_other_file_names_are_refused(name: str, served: Served, query: Path) -> None:
    done = partlens(served, "report", "search", query, *REGION, "--out", name)
    assert done.exit_code == 2 and "must end in .html or .pdf" in done.output


def test_every_call_tells_its_request_id(client: Client) -> None:
    answer = client.search_regions([picture(3)], [QueryRegion(Box(7, 5, 15, 11))])
    again = client.search_regions([QueryId(answer.queries[0].id)], [QueryRegion(Box(7, 5, 15, 11))])
    assert answer.request_id and again.request_id and answer.request_id != again.request_id
