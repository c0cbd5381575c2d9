"""Galleries in buckets: what only they have, and what goes wrong with stores."""

import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bucket_writer import opened
from click.testing import CliRunner
from gallery_images import SPEC, image, parts
from hypothesis import given
from hypothesis import strategies as st
from object_store import Fault, Proxy, every, keep_versions, puts
from redis_server import free_port

from partlens.cli.index import index
from partlens.common.bucket_address import BucketAddress, read_place
from partlens.indexer.errors import (
    AlreadyExistsError,
    DamagedError,
    NotFoundError,
    StorageError,
    UnreachableError,
)
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.erasure import erase
from partlens.indexer.gallery.following import Follower
from partlens.indexer.gallery.home.bucket import BucketHome
from partlens.indexer.gallery.home.scratch import LIMIT, Scratch
from partlens.indexer.gallery.snapshot import restore, take
from partlens.indexer.gallery.verification import verify
from partlens.runtime.config.settings import load
from partlens.runtime.errors import SettingsError

SOON = 20.0
SECRET = "hidden-key"


@pytest.fixture
def proxy(
    object_store: str, address: BucketAddress, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    made = Proxy(object_store)
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    yield made
    made.close()


@pytest.fixture
def filled(address: BucketAddress) -> BucketAddress:
    """An address with a gallery of 12 images."""
    with Gallery.create(address, SPEC) as gallery:
        gallery.add([image(f"photos/{number:04}.jpg") for number in range(12)])
    return address


def wait_until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not met():
        assert time.monotonic() < end, f"not within {SOON} s"
        time.sleep(0.02)


def objects(address: BucketAddress) -> dict[str, bytes]:
    """Every object of a gallery."""
    home = BucketHome(address, Scratch.of_environment())
    return {place: home.read(place) for place in [*home.places(), "writer.lease"]}


BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)
PARTS = st.from_regex(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,20}", fullmatch=True)


@given(BUCKETS, st.lists(PARTS, min_size=1))
def test_an_address_is_read_as_it_is_written(bucket: str, names: list[str]) -> None:
    address = BucketAddress(bucket, "/".join(names[:16]))
    assert read_place(str(address)) == read_place(f"{address}/") == address
    assert address.name == names[:16][-1]


@pytest.mark.parametrize(
    "text",
    [
        "s3://",
        "s3://pictures",
        "s3://pictures/",
        "s3://Pictures/a",
        "s3://pictures//a",
        "s3://pictures/../a",
        "s3://pictures/.a",
        "s3://pictures/a\nb",
        "s3://pictures/a?b",
        "s3://pictures/a%2fb",
        "s3://pictures/" + "a/" * 17,
        f"s3://someone:{SECRET}@pictures/a",
        "https://pictures/a",
        "gs://pictures/a",
    ],
)
def test_other_addresses_are_refused_and_no_key_is_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"bucket|gallery") as refused:
        read_place(text)
    assert SECRET not in str(refused.value)
    result = CliRunner().invoke(index, ["list", text])
    assert result.exit_code == 2 and SECRET not in result.output
    assert not Path(text.partition("/")[0]).exists()


def test_a_place_that_holds_something_is_refused(filled: BucketAddress) -> None:
    with pytest.raises(AlreadyExistsError, match="already exists"):
        Gallery.create(filled, SPEC)
    with pytest.raises(AlreadyExistsError, match=r"truth\.lance|committed"):
        Gallery.create(BucketAddress(filled.bucket, filled.prefix.partition("/")[0]), SPEC)
    for inside in ("x", "truth.lance/data/x"):
        with pytest.raises(AlreadyExistsError, match=f"inside the gallery {filled};"):
            Gallery.create(BucketAddress(filled.bucket, f"{filled.prefix}/{inside}"), SPEC)
    Gallery.create(BucketAddress(filled.bucket, f"{filled.prefix}2"), SPEC).close()
    with pytest.raises(NotFoundError, match="index create"):
        Gallery.open(BucketAddress(filled.bucket, "nothing/here"))


def test_a_store_that_ignores_conditions_is_refused(address: BucketAddress, proxy: Proxy) -> None:
    proxy.choose = every("ignore conditions")
    with pytest.raises(StorageError, match="does not honour conditional writes"):
        Gallery.create(address, SPEC)
    proxy.choose = lambda _: None
    assert not list(BucketHome(address, Scratch.of_environment()).places())
    Gallery.create(address, SPEC).close()


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("deny", "AWS_SECRET_ACCESS_KEY"),
        ("throttle", "overloaded"),
        ("refuse", "cannot be reached"),
    ],
)
def test_a_store_that_fails_is_no_damage_and_gives_no_wrong_answer(
    filled: BucketAddress, proxy: Proxy, tmp_path: Path, fault: Fault, advice: str
) -> None:
    with opened(filled, tmp_path / "here", 30.0) as gallery:
        expected = [one.id for one in gallery.view.search(parts(), "part", Filter(), 20)]
        proxy.choose = every(fault)
        attempts: list[Callable[[], object]] = [
            gallery.refresh,
            lambda: gallery.view.thumbnails(["photos/0001.jpg"]),
            lambda: Gallery.open(filled),
            lambda: gallery.add([image("new")]),
        ]
        for attempt in attempts if fault == "deny" else attempts[:2]:  # others are tried again
            with pytest.raises(UnreachableError, match=advice) as refused:
                attempt()
            assert SECRET not in str(refused.value)
        found = [one.id for one in gallery.view.search(parts(), "part", Filter(), 20)]
        assert found == expected and len(found) == 12
        proxy.choose = lambda _: None
        gallery.add([image("new")])
        assert len(gallery.view) == 13
    assert verify(filled).images == 13 and not verify(filled).findings


def test_a_bucket_that_is_not_there_and_a_store_that_is_down_are_told_apart(
    address: BucketAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = BucketAddress("no-such-bucket", address.prefix)
    with pytest.raises(UnreachableError, match="no such bucket"):
        Gallery.create(nowhere, SPEC)
    with pytest.raises(UnreachableError, match="no such bucket"):
        Gallery.open(nowhere)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError, match="cannot be reached"):
        Gallery.open(address)


def test_slow_answers_are_waited_for(filled: BucketAddress, proxy: Proxy) -> None:
    proxy.choose = every("slow", puts("truth.sha256"))
    with Gallery.open(filled) as gallery:
        gallery.add([image("new")])
    assert len(Gallery.open(filled).view) == 13


def test_keys_are_in_no_object_and_no_file(filled: BucketAddress, tmp_path: Path) -> None:
    held = [*objects(filled).values()]
    held += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(held) > 8 and not any(SECRET.encode() in one for one in held)


def test_damage_of_an_object_is_found_and_named(filled: BucketAddress, tmp_path: Path) -> None:
    home = BucketHome(filled, Scratch.of_environment())
    (place,) = (place for place in home.places() if place.startswith("truth.lance/data/"))
    content = home.read(place)
    home._store.put(place, content[:-40] + bytes(40))
    outcome = verify(filled)
    assert [one.place for one in outcome.findings] == [place]
    home._store.delete(place)
    with pytest.raises(DamagedError, match="is missing"):
        opened(filled, tmp_path / "other", 30.0)
    home._store.put(place, content)
    assert not verify(filled).findings


def test_another_machine_sees_the_same(filled: BucketAddress, tmp_path: Path) -> None:
    here, there = (opened(filled, tmp_path / name, 30.0) for name in ("scratch", "there"))
    results = [gallery.view.search(parts(), "context", Filter(), 20) for gallery in (here, there)]
    first, second = ([(one.id, one.score, one.map.tolist()) for one in some] for some in results)
    assert first == second and len(first) == 12
    shutil.rmtree(tmp_path / "there")
    again = opened(filled, tmp_path / "there", 30.0)
    assert len(again.view.search(parts(), "context", Filter(), 20)) == 12


def test_scratch_is_bounded(
    filled: BucketAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTLENS_SCRATCH", str(tmp_path / "small"))
    monkeypatch.setenv(LIMIT, "2000")
    with pytest.raises(StorageError, match=LIMIT):
        Gallery.open(filled)
    monkeypatch.setenv(LIMIT, "6500")
    with Gallery.open(filled) as gallery:
        with pytest.raises(StorageError, match=LIMIT):
            gallery.add([image(f"{number}") for number in range(30)])
        assert len(gallery.view) == 12
        held = sum(path.stat().st_size for path in gallery.path.rglob("*") if path.is_file())
        assert held <= 6500
    monkeypatch.setenv(LIMIT, "-1")
    with pytest.raises(StorageError, match="number of bytes"):
        Gallery.open(filled)


def test_an_erased_image_is_in_no_object_and_in_no_follower_s_files(
    filled: BucketAddress, tmp_path: Path
) -> None:
    gone = image("photos/0003.jpg")
    traces = [b"photos/0003.jpg", gone.bias.tobytes()]

    def traced(contents: list[bytes]) -> bool:
        return any(trace in content for content in contents for trace in traces)

    def files(folder: Path) -> list[bytes]:
        found = []
        for path in folder.rglob("*"):
            if path.is_file() and ".standing" not in path.parts:
                found.append(path.read_bytes())
        return found

    reader = opened(filled, tmp_path / "reader", 30.0)
    assert traced(files(tmp_path / "reader")) and traced([*objects(filled).values()])
    with closing(Follower(reader)):
        receipt = erase(filled, ["photos/0003.jpg"])
        assert receipt.gone and receipt.versions_left == 1 and not receipt.object_versions_kept
        assert not traced([*objects(filled).values()])
        assert not traced(files(tmp_path / "scratch"))
        wait_until(lambda: "photos/0003.jpg" not in reader.view)

        def clean() -> bool:
            try:
                return not traced(files(tmp_path / "reader"))
            except FileNotFoundError:  # a segment was replaced meanwhile
                return False

        wait_until(clean)
        assert len(reader.view) == 11


def test_a_follower_merges_the_segments_that_it_makes(
    filled: BucketAddress, tmp_path: Path
) -> None:
    reader = opened(filled, tmp_path / "reader", 30.0)
    with closing(Follower(reader, seconds=0.02)), Gallery.open(filled) as gallery:
        for number in range(30):
            gallery.add([image(str(number))])
            wait_until(lambda: len(reader.view) == len(gallery.view))
        wait_until(lambda: len(reader.view.live.segments) < 15)
    folders = [path for path in (reader.path / "segments").iterdir() if path.name[0] != "."]
    assert len(folders) < 20 and len(reader.view) == 42


def test_a_bucket_that_keeps_versions_is_told_by_the_receipt(
    filled: BucketAddress, object_store: str
) -> None:
    bucket = f"kept-{secrets.token_hex(4)}"
    keep_versions(object_store, bucket)
    address = BucketAddress(bucket, "gallery")
    with Gallery.create(address, SPEC) as gallery:
        gallery.add([image("photos/0003.jpg"), image("b")])
    receipt = erase(address, ["photos/0003.jpg"])
    assert receipt.object_versions_kept and receipt.gone


def test_a_snapshot_of_a_bucket_is_a_gallery_in_a_folder(
    filled: BucketAddress, tmp_path: Path
) -> None:
    facts = take(filled, tmp_path / "snapshot")
    assert facts.images == 12
    restore(tmp_path / "snapshot", tmp_path / "restored")
    there = Gallery.open(tmp_path / "restored" / "gallery")
    assert len(there.view) == 12 and not verify(there.path).findings


def test_commands_take_the_address_of_a_bucket(filled: BucketAddress, tmp_path: Path) -> None:
    def partlens(*arguments: object) -> str:
        result = CliRunner().invoke(index, [str(one) for one in arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert len(partlens("list", filled).split()) == 12
    assert json.loads(partlens("status", filled, "--json"))["images"] == 12
    assert "1 of 1 deleted" in partlens("delete", filled, "photos/0000.jpg")
    partlens("compact", filled)
    assert json.loads(partlens("verify", filled, "--json"))["images"] == 11
    receipt = tmp_path / "receipt.json"
    partlens("erase", filled, "--id", "photos/0001.jpg", "--receipt", receipt)
    assert json.loads(receipt.read_text())["gone"]
    partlens("retain", filled, "--keep", "30d")
    partlens("snapshot", filled, tmp_path / "snapshot")
    assert len(Gallery.open(filled).view) == 10


def test_only_a_gallery_can_be_in_a_bucket(
    filled: BucketAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = f"s3://{filled.bucket}/elsewhere"
    for arguments in (
        ["snapshot", str(filled), elsewhere],
        ["erase", str(filled), "--id", "a", "--receipt", elsewhere],
        ["create", "gallery", "--model", elsewhere],
    ):
        result = CliRunner().invoke(index, arguments)
        assert result.exit_code == 2 and "only a gallery can be in a bucket" in result.output
    with pytest.raises(SettingsError, match="only a gallery can be in a bucket"):
        load({"access": {"audit_log": elsewhere}})
    shown = load({"server": {"gallery": elsewhere, "galleries": {"a": {"path": elsewhere}}}})
    assert str(shown.settings.server.gallery) == elsewhere
    with pytest.raises(SettingsError) as refused:
        load({"server": {"gallery": f"s3://someone:{SECRET}@pictures/a"}})
    assert SECRET not in str(refused.value)
    assert not list(tmp_path.glob("s3:*"))
