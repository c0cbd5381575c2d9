"""Folders and manifests give the images they list, or say which row they cannot read."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from partlens.indexer.errors import SourceError
from partlens.indexer.metadata import Metadata, Stated
from partlens.indexer.sources import ImageFile, read_source


def test_a_folder_is_read_with_all_folders_in_it(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/c.PNG", "a/d/e.webp", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    below = ["a/c.PNG", "a/d/e.webp", "b.jpg"]
    assert [one.id for one in read_source(tmp_path)] == [f"{tmp_path.name}/{id}" for id in below]


def test_csv_and_parquet_manifests_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(
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
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    noon, midnight = datetime(2026, 5, 1, 12, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    stated = Stated(True, True, True, True, frozenset({"hat"}))
    derived = replace(stated, id=False)
    one, two = (
        Metadata("c1", "t1", noon, {"hat": "red"}),
        Metadata("", "", midnight, {"hat": "a, b"}),
    )
    expected = [
        ImageFile("one", tmp_path / "x/1.jpg", one, stated),
        ImageFile("2.jpg", tmp_path / "2.jpg", two, derived),
    ]
    assert read_source(tmp_path / "m.csv") == expected
    assert read_source(tmp_path / "m.parquet") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\n1\n", "no column 'path'"),
        ("path\n", "holds no image"),
        ("path,id\na.jpg,1\n,2\n", "row 3: column 'path' is empty"),
        ("path,id\na.jpg,1\nb.jpg,1\n", "'1' comes twice"),
        ("path,captured_at\na.jpg,noon\n", "row 2: captured_at 'noon' is no time"),
        ("path,id\na.jpg\n", "row 2: it has another number of cells"),
        ("path,id\na.jpg,1,2\n", "row 2: it has another number of cells"),
        ("path,id\na.jpg,x\x07\n", "row 2: id"),
        ("path,captured_at\na.jpg,9999-12-31T23:59:59-05:00\n", "row 2: captured_at: 9999-12-31"),
        ("path,captured_at\na.jpg,0001-01-01T00:00:00+02:00\n", "row 2: captured_at: 0001-01-01"),
        ("path,camera\na.jpg,a\x00b\n", "row 2: camera: 'a.x00b' has the character"),
        ("path,hat\na.jpg," + 5000 * "x" + "\n", "row 2: attributes.'hat'.: .* 5000 characters"),
        ("path,\na.jpg,1\n", "row 2: attributes: one has an empty name"),
    ],
)
def test_a_manifest_that_cannot_be_read_names_the_row(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(SourceError, match=message):
        read_source(tmp_path / "m.csv")


def test_other_things_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"path\n\xff\xfe\n")
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    for name in ("m.csv", "m.parquet", "nothing", "nothing.csv"):
        with pytest.raises(SourceError):
            read_source(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no image"):
        read_source(tmp_path / "empty")
