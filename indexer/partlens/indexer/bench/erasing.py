"""`partlens bench erase`: time to erase images from a gallery, compared with reading its files."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from partlens.common.results import json_option, say_json
from partlens.common.terminal import say
from partlens.indexer.arguments import clear_errors
from partlens.indexer.bench import synthetic
from partlens.indexer.gallery import Gallery, checksums
from partlens.indexer.gallery.durability import files_below
from partlens.indexer.gallery.erasure import erase, markers_of, scan
from partlens.indexer.gallery.home.folder import FolderHome
from partlens.indexer.gallery.markers import MarkerSearch

_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Erasing:
    """Times of one run, in seconds for each GB (10^9 bytes) of the gallery before.

    Attributes:
        images, erased: images in the gallery, and how many of them were erased.
        bytes: size of the gallery's files before.
        reading: reading each file once, from the page cache.
        hashing: SHA-256 of each file, of which an erasure takes two.
        searching: one search of each file for everything of the images.
        erasing: searching all files, rewriting those that hold the images, and searching again.
        ratio: searching / hashing.
    """

    images: int
    erased: int
    bytes: int
    reading: float
    hashing: float
    searching: float
    erasing: float
    ratio: float


def measure(folder: Path, images: int, erased: int) -> Erasing:
    """Fill a gallery with contributions as after a ReLU, and erase images spread over it.

    Raises:
        IndexerError: the gallery cannot be written.
    """
    path = folder / "gallery"
    with Gallery.create(path, synthetic.make_model(folder / "model").spec) as gallery:
        synthetic.fill(gallery, images, rectified=True)
    files = sorted(files_below(path))
    size = sum(file.stat().st_size for file in files)
    ids = [synthetic.name(number * images // erased) for number in range(erased)]
    _read(files)
    with Gallery.open(path) as gallery:
        search = MarkerSearch(markers_of(gallery.view, ids, ids))
    reading, searching = (
        _seconds(lambda: _read(files)),
        _seconds(lambda: scan(FolderHome(path), search)),
    )
    hashing = _seconds(lambda: _hash(files))
    erasing = _seconds(lambda: erase(path, ids))
    per = 1e9 / size
    return Erasing(
        images, erased, size, reading * per, hashing * per, searching * per, erasing * per,
        searching / hashing,
    )  # fmt: skip


def _read(files: Sequence[Path]) -> None:
    for file in files:
        with file.open("rb", buffering=0) as opened:
            while opened.read(_CHUNK_BYTES):
                pass


def _hash(files: Sequence[Path]) -> None:
    for file in files:
        checksums.digest(file)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@click.command("erase")
@click.option("--images", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--erased", type=click.IntRange(1), default=100, show_default=True)
@json_option
def erase_command(images: int, erased: int, as_json: bool) -> None:
    """Compare the time to erase images from a gallery with that of reading its files.

    Reading is from the page cache. The gallery is generated: 8 KB of contributions per image, half
    of them zero.
    """
    with clear_errors(), tempfile.TemporaryDirectory(prefix="partlens-bench-") as folder:
        found = measure(Path(folder), images, min(erased, images))
    if as_json:
        say_json(asdict(found))
    else:
        say(
            f"{found.erased} of {found.images} images, {found.bytes / 1e9:.3f} GB: reading"
            f" {found.reading:.2f} s/GB, SHA-256 {found.hashing:.2f} s/GB, searching"
            f" {found.searching:.2f} s/GB ({found.ratio:.1f} times SHA-256); erasing, with"
            f" rewriting the files, {found.erasing:.2f} s/GB"
        )
