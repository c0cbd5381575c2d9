"""An object store is listed and read like a folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from object_store import Bucket
from served import picture

from partlens.common.pictures import ImageLimits
from partlens.explainer.errors import ImageError
from partlens.explainer.starter import model_folder
from partlens.indexer.cli import index
from partlens.indexer.errors import SourceError
from partlens.indexer.gallery import Gallery
from partlens.indexer.sources import Listing, read_source

IMAGES = ("b.png", "a/ü x.JPG", "a/b%20c.jpg", "a/q?.png", "a-b/z.png", "c.jpg/d.jpg")
OTHERS = ("a/n.txt", "a/.mov")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "2024"
    for number, name in enumerate((*IMAGES, *OTHERS)):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(picture(number))
    return place


def listed(images: Listing) -> list[tuple[str, bytes]]:
    return [(one.id, one.read()) for one in images]


@pytest.mark.parametrize("prefix", ["photos/2024", "2024"])
def test_ids_order_bytes_and_the_rest_are_those_of_the_folder(
    bucket: Bucket, folder: Path, prefix: str
) -> None:
    bucket.upload(folder, prefix)
    bucket.put(f"{prefix}5/not-below-the-prefix.png", picture(9))
    of_folder = read_source(folder)
    for address in (f"{bucket.address}/{prefix}", f"S3://{bucket.name}/{prefix}/"):
        found = read_source(address)
        assert listed(found) == listed(of_folder)
        assert found.not_looked_at == of_folder.not_looked_at
        assert all(one.uri == f"{bucket.address}/{prefix}{one.id[4:]}" for one in found)


def test_ids_of_a_whole_bucket_begin_with_its_name(bucket: Bucket) -> None:
    bucket.put("a/b.png", picture(0))
    assert [one.id for one in read_source(bucket.address)] == [f"{bucket.name}/a/b.png"]


def test_a_key_that_cannot_be_an_id_is_listed_as_missing(bucket: Bucket) -> None:
    bucket.put("p/" + 520 * "x" + ".png", picture(0))
    (one,) = read_source(f"{bucket.address}/p")
    with pytest.raises(ImageError, match="512"):
        one.read()


def test_what_cannot_be_listed_or_read_says_why(bucket: Bucket) -> None:
    for address, said in (
        ("s3://", "names no bucket"),
        ("s3:///x", "names no bucket"),
        ("s3://key:hidden@archive/x", "holds neither a key nor a port; set AWS_ACCESS_KEY_ID"),
    ):
        with pytest.raises(SourceError, match=said) as raised:
            read_source(address)
        assert "hidden" not in str(raised.value)
    no_bucket = r"there is no such bucket; create it.* \(NoSuchBucket\)$"
    with pytest.raises(SourceError, match=f"s3://nobody/x cannot be listed: {no_bucket}"):
        read_source("s3://nobody/x")
    with pytest.raises(SourceError, match="contains no images"):
        read_source(f"{bucket.address}/empty")
    bucket.put("p/a.png", picture(0))
    (image,) = read_source(f"{bucket.address}/p")
    size = len(picture(0))
    assert len(image.read(ImageLimits(max_bytes=size))) == size
    with pytest.raises(ImageError, match=f"has {size} bytes; at most {size - 1}"):
        image.read(ImageLimits(max_bytes=size - 1))
    bucket.delete("p/a.png")
    with pytest.raises(ImageError, match=r"cannot be read: there is no such object$"):
        image.read()


@pytest.mark.parametrize("key", ["p/../a.png", "p//a.png"])
def test_a_key_that_is_no_path_is_named(bucket: Bucket, key: str) -> None:
    bucket.put(key, picture(0))
    with pytest.raises(SourceError, match="cannot be listed: .*" + key):
        read_source(bucket.address)


def test_index_add_takes_an_address(bucket: Bucket, folder: Path, tmp_path: Path) -> None:
    bucket.upload(folder, "2024")
    model, path = str(model_folder()), tmp_path / "gallery"
    for arguments in (["create", str(path)], ["add", str(path), f"{bucket.address}/2024"]):
        result = CliRunner().invoke(index, [*arguments, "--model", model])
        assert result.exit_code == 0, result.output
    assert "6 added" in result.output and "ignored: 1 .txt" in result.output
    assert set(Gallery.open(path).view.digests()) == {one.id for one in read_source(folder)}
