"""Manifests mean what they say, in CSV and in Parquet; what they cannot mean names its place."""

import math
import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.common.metadata import Metadata
from partlens.common.moments import read_moment
from partlens.indexer.errors import SourceError
from partlens.indexer.sources import ImageFile, SourceImage, manifest, read_source
from partlens.indexer.stated import Stated

STATED = Stated(True, True, True, True, frozenset({"hat"}))
"""By a manifest with all known columns and an attribute."""


def write(folder: Path, content: str | bytes | pa.Table) -> Path:
    path = folder / ("m.parquet" if isinstance(content, pa.Table) else "m.csv")
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, content: str | bytes | pa.Table) -> Sequence[SourceImage]:
    return read_source(write(folder, content)).images


def parquet(**columns: pa.Array) -> pa.Table:
    rows = len(next(iter(columns.values())))
    return pa.table({"path": [f"{i}.jpg" for i in range(rows)], **columns})


def refused(folder: Path, content: str | bytes | pa.Table) -> str:
    with pytest.raises(SourceError) as raised:
        read(folder, content)
    return str(raised.value)


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    text = (
        "path,id,camera,track,captured_at,hat\n"
        "x/1.jpg,one,c1,t1,2026-05-01T14:00:00+02:00,red\n"
        '2.jpg,,,,2026-05-01,"a, b"\n'
    )
    columns = {
        "path": ["x/1.jpg", "2.jpg"],
        "id": ["one", None],
        "camera": ["c1", None],
        "track": ["t1", None],
        "captured_at": [datetime(2026, 5, 1, 12, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)],
        "hat": ["red", "a, b"],
    }
    noon, midnight = datetime(2026, 5, 1, 12, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    one = Metadata("c1", "t1", noon, {"hat": "red"})
    two = Metadata("", "", midnight, {"hat": "a, b"})
    expected = (
        ImageFile("one", tmp_path / "x/1.jpg", one, STATED),
        ImageFile("2.jpg", tmp_path / "2.jpg", two, replace(STATED, id=False)),
    )
    assert read(tmp_path, text) == expected
    assert read(tmp_path, pa.table(columns)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Path, Camera ,TRACK,Captured At,Hat\na.jpg,c,t,2026-05-01,red\n",
        "\ufeffpath,camera,track,captured-at,Hat\r\n a.jpg , c , t , 2026-05-01 , red \r\n",
        'path,camera,track,captured_at,Hat\n"a.jpg", "c", "t", "2026-05-01", "red"\n',
        "\npath,camera,track,captured_at,Hat\n\na.jpg,c,t,2026-05-01,red\n,,,,\n , , , , \n",
    ],
)
def test_blanks_capitals_and_empty_rows_change_nothing(tmp_path: Path, text: str) -> None:
    (image,) = read(tmp_path, text)
    at = datetime(2026, 5, 1, tzinfo=UTC)
    stated = replace(STATED, id=False, attributes=frozenset({"Hat"}))
    known = Metadata("c", "t", at, {"Hat": "red"})
    assert image == ImageFile("a.jpg", tmp_path / "a.jpg", known, stated)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\n1\n", "has no column 'path'; it has 'id'"),
        ("path;camera\na.jpg;c\n", "'path;camera': is it separated by semicolons"),
        ("path\tcamera\na.jpg\tc\n", "separated by tabs"),
        ("path,camera\n".encode("utf-16"), "it is UTF-16: save it as UTF-8"),
        ("path,camera\n".encode("utf-16-le"), "is it UTF-16"),
        ("path\ncaf\u00e9.jpg\n".encode("cp1252"), "save it as UTF-8"),
        ("", "is empty"),
        ("path\n", "contains no images"),
        ("path,id\na.jpg,1\n,2\n", "row 3: column 'path' is empty"),
        ('path,hat\na.jpg,"two\nlines"\n\n,x\n', "row 4: column 'path' is empty"),
        ("path,id\na.jpg,1\n\nb.jpg,1\n", "id '1' appears twice: m.csv, rows 2 and 4"),
        ("path,id\na.jpg\n", "row 2 has 1 cells; the header has 2"),
        ("path,id\na.jpg,1,2\n", "row 2 has 3 cells"),
        ("path,id\na.jpg,x\x07\n", "row 2: id 'x\\x07'"),
        ("path,id\na\0.jpg,1\n", "row 2: column 'path' holds a NUL character"),
        ("path,id\nfolder\\a.jpg,1\n", "row 2: there is no file 'folder\\\\a.jpg'; write folders"),
        ("path,id\nfolder\\" + 300 * "a" + ",1\n", "aaa'; write folders"),
        ("path,id\nfile:///data/a.jpg,1\n", "row 2: there is no file 'file:///data/a.jpg'; give"),
        ("path,id\n~/a.jpg,1\n", "row 2: there is no file '~/a.jpg'; write the home folder out"),
        ('path\n"a.jpg\n', "cannot be read as CSV"),
        ("path,hat,hat\na.jpg,cap,none\n", "the columns 'hat' and 'hat'"),
        ("path,hat,Hat\na.jpg,cap,none\n", "the columns 'hat' and 'Hat'"),
        ("path, Path\na.jpg,b.jpg\n", "the columns 'path' and 'Path'"),
        (",path\n0,a.jpg\n", "column 1 has no name"),
        ("path,camera,\na.jpg,c,\n", "column 3 has no name"),
        ("path,captured_at\na.jpg,9999-12-31T23:59:59-05:00\n", "row 2: captured_at: 9999-12-31"),
        ("path,captured_at\na.jpg,0001-01-01T00:00:00+02:00\n", "row 2: captured_at: 0001-01-01"),
        ("path,camera\na.jpg,a\x07b\n", "row 2: camera: 'a\\x07b' has the character"),
        ("path,hat\na.jpg," + 5000 * "x" + "\n", "row 2: attributes['hat']: 'xxxxx"),
    ],
)
def test_a_table_that_cannot_be_read_names_the_place(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    assert message in refused(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "1777000000", "1777000000000", "20260501", "20260501T120000", "1777000000.5", "noon",
        "2026-W18-5", "2026-05", "2026-13-01", "2026-05-01T25:00", "12:00", "01/05/2026",
        "2026-05-01T12", "2026-05-01x12:00", "2026-05-01T12:00:00+99:00", "2026-05-01T12:00+02:60",
    ],
)  # fmt: skip
def test_what_is_no_certain_time_is_refused(tmp_path: Path, text: str) -> None:
    """Python reads 1777000000000, milliseconds in 2026, as a day in 1777."""
    message = refused(tmp_path, f"path,captured_at\na.jpg,{text}\n")
    assert f"row 2: captured_at '{text}'" in message and "write it like 2026-05-01T" in message
    if "-" not in text and text.isdigit():
        assert text in refused(tmp_path, parquet(captured_at=pa.array([int(text)])))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-05-01", datetime(2026, 5, 1)),
        ("2026-05-01 12:30", datetime(2026, 5, 1, 12, 30)),
        ("2026-05-01t12:30:10z", datetime(2026, 5, 1, 12, 30, 10)),
        ("2026-05-01T12:30:10.123456789Z", datetime(2026, 5, 1, 12, 30, 10, 123456)),
        ("2026-05-01 12:30:10.5 +02:00", datetime(2026, 5, 1, 10, 30, 10, 500000)),
        ("2026-05-01T12:30:10-0330", datetime(2026, 5, 1, 16, 0, 10)),
    ],
)
def test_times_in_iso_8601_are_read(tmp_path: Path, text: str, at: datetime) -> None:
    (image,) = read(tmp_path, f'path,captured_at\na.jpg,"{text}"\n')
    assert image.metadata.captured_at == at.replace(tzinfo=UTC)


UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@given(
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
    st.integers(0, 999),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from([None, "UTC", "Europe/Berlin", "+05:30", "Mars/Olympus Mons"]),
)
def test_a_time_of_any_unit_and_zone_is_its_instant_cut_to_microseconds(
    tmp_path_factory: pytest.TempPathFactory, at: datetime, nanoseconds: int, unit: str, zone: str
) -> None:
    since = at - datetime(1970, 1, 1)
    finest = (since // timedelta(microseconds=1)) * 1000 + nanoseconds
    count = finest * UNITS[unit] // 10**9
    microseconds = count * 10**6 // UNITS[unit]
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    cell = pa.array([count], pa.timestamp(unit, zone))
    (image,) = read(tmp_path_factory.mktemp("m"), parquet(captured_at=cell, note=cell))
    assert (
        image.metadata.captured_at == expected <= at.replace(tzinfo=UTC) + timedelta(microseconds=1)
    )
    text = expected.isoformat() if zone else expected.replace(tzinfo=None).isoformat()
    assert image.metadata.attributes == {"note": text}


def test_a_time_before_or_after_the_calendar_names_the_row(tmp_path: Path) -> None:
    for unit in ("ms", "us"):
        cells = pa.array([0, 2**62], pa.timestamp(unit))
        assert "row 2: column 'captured_at'" in refused(tmp_path, parquet(captured_at=cells))


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (pa.array(["a", None, " b "]), ["a", "", "b"]),
        (pa.array(["a", None, "b"], pa.large_string()), ["a", "", "b"]),
        (pa.array(["a", None, "b"]).dictionary_encode(), ["a", "", "b"]),
        (pa.array([12, None, 13]), ["12", "", "13"]),
        (pa.array([2**63, None], pa.uint64()), [str(2**63), ""]),
        (pa.array([12.0, math.nan, None, -0.0, 0.5]), ["12", "", "", "0", "0.5"]),
        (pa.array([0.1, 12.0, math.nan], pa.float32()), ["0.1", "12", ""]),
        (pa.array([True, False, None]), ["True", "False", ""]),
        (pa.array([Decimal("1.50"), None, Decimal("1E+3")]), ["1.50", "", "1000.00"]),
        (pa.array([date(2026, 5, 1), None]), ["2026-05-01", ""]),
        (pa.array([date(2026, 5, 1)], pa.date64()), ["2026-05-01"]),
        (pa.array([time(12, 30), None], pa.time32("s")), ["12:30:00", ""]),
        (pa.array([45_000_000_001_999], pa.time64("ns")), ["12:30:00.000001"]),
        (pa.array([b"a", None, "\u00e9".encode()]), ["a", "", "\u00e9"]),
        (pa.array([b"ab"], pa.binary(2)), ["ab"]),
        (pa.nulls(2), ["", ""]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_cells_of_every_type_are_the_text_that_they_mean(
    tmp_path: Path, cells: pa.Array, texts: list[str]
) -> None:
    images = read(tmp_path, parquet(track=cells, hat=cells))
    assert [image.metadata.track for image in images] == texts
    assert [image.metadata.attributes for image in images] == [
        {"hat": text} if text else {} for text in texts
    ]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (pa.array([[1], [2]]), "column 'track' holds list<"),
        (pa.array([{"x": 1}]), "column 'track' holds struct<"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "column 'track' holds map<"),
        (pa.array([timedelta(1)]), "column 'track' holds duration"),
        (pa.array(["a", b"\xff"], pa.binary()), "row 2: column 'track': it holds bytes that"),
        (pa.array([1.0, math.inf]), "row 2: column 'track': it holds infinity"),
        (pa.array([2.0**53, 2.0**54]), "row 2: column 'track': it holds 1.8014398509481984e+16"),
        (pa.array([2.0**25], pa.float32()), "row 1: column 'track': it holds 33554432.0"),
        (pa.array(["a", "b\0"]), "row 2: column 'track': it holds a NUL"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_cells_that_are_no_text_are_refused(tmp_path: Path, cells: pa.Array, message: str) -> None:
    assert message in refused(tmp_path, parquet(track=cells))


def test_text_that_is_not_utf_8_names_the_row(tmp_path: Path) -> None:
    offsets, data = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")
    cells = pa.Array.from_buffers(pa.string(), 2, [None, offsets, data])
    assert "row 2: column 'track'" in refused(tmp_path, parquet(track=cells))


def test_columns_of_parquet_are_named_like_those_of_csv(tmp_path: Path) -> None:
    names = [" Path", "CAMERA"]
    (image,) = read(tmp_path, pa.table([["a.jpg"], ["c"]], names=names))
    assert image == ImageFile("a.jpg", tmp_path / "a.jpg", Metadata("c"), Stated(camera=True))
    one = pa.array(["a.jpg"])
    for names, message in (
        (["path", "hat", "hat"], "the columns 'hat' and 'hat'"),
        (["path", "hat", "Hat "], "the columns 'hat' and 'Hat '"),
        (["path", "hat", "__index_level_0__"], "column 3 has no name"),
        (["file", "hat", "shoe"], "has no column 'path'; it has 'file', 'hat', 'shoe'"),
    ):
        assert message in refused(tmp_path, pa.table([one, one, one], names=names))


def test_rows_of_many_batches_are_numbered_through(tmp_path: Path) -> None:
    count = 10_000
    ids = pa.array([*range(count - 1), 7])
    assert f"rows 8 and {count}" in refused(tmp_path, parquet(id=ids))


def test_where_a_manifest_may_point(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (below / "back\\slash.jpg").write_bytes(b"")
    elsewhere = tmp_path / "a.jpg"
    images = read(below, f"path\n../a.jpg\n{elsewhere}\nback\\slash.jpg\n")
    found = [image.path for image in images if isinstance(image, ImageFile)]
    assert found == [below / "../a.jpg", elsewhere, below / "back\\slash.jpg"]


@given(st.data())
def test_any_time_with_a_zone_is_read_as_it_is_written(data: st.DataObject) -> None:
    zone = timezone(timedelta(minutes=data.draw(st.integers(-14 * 60, 14 * 60))))
    at = data.draw(st.datetimes(timezones=st.just(zone)))
    assert read_moment(at.isoformat()) == at
    assert read_moment(str(at)) == at


def test_a_date_as_exif_writes_it_is_refused_with_the_accepted_form(tmp_path: Path) -> None:
    table = tmp_path / "m.csv"
    table.write_text("path,captured_at\na.jpg,2026:11:28 10:00:00\n")
    with pytest.raises(SourceError, match=r"row 2: captured_at .*EXIF.*2026-05-01T12:00:00"):
        read_source(table)


def test_more_images_than_fit_in_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "MAX_IMAGES", 3)
    table = tmp_path / "m.csv"
    table.write_text("path\n" + "".join(f"{i}.jpg\n" for i in range(3)))
    assert len(read_source(table)) == 3
    with table.open("a") as more:
        more.write("3.jpg\n")
    with pytest.raises(SourceError, match="more than 3 images, up to row 5"):
        read_source(table)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("kind", ["fifo", "socket", "/dev/zero", "/proc/self/mem"])
def test_a_manifest_that_is_not_a_file_is_refused(
    tmp_path: Path, kind: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path has little room
    table = Path(f"m{ending}")
    with socket.socket(socket.AF_UNIX) as bound:
        if kind == "fifo":
            os.mkfifo(table)
        elif kind == "socket":
            bound.bind(str(table))
        else:
            table.symlink_to(kind)
        with pytest.raises(SourceError, match="cannot be read"):
            read_source(table)
