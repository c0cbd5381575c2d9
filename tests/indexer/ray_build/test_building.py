"""`partlens index build` on a real cluster of this machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from built_on_ray import BATCH, BLOCK, build, workers
from gallery_rows import require_same
from listed_pictures import COUNT, MODEL, SPEC, change, write_pictures

from partlens.explainer.model import MetricModel
from partlens.indexer.errors import ClusterError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.staging import STAGING
from partlens.indexer.gallery.verification import verify
from partlens.indexer.indexing import Progress, index_images
from partlens.indexer.ray_build.pool import Pool
from partlens.indexer.sources import read_source


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures")


@pytest.fixture
def added(tmp_path: Path, manifest: Path) -> Iterator[Gallery]:
    """What indexing in one process gives."""
    with Gallery.create(tmp_path / "added", SPEC) as gallery:
        model = MetricModel.load(MODEL)
        index_images(gallery, model, read_source(manifest), batch_size=BATCH)
        yield gallery


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("ray_cluster")
def test_a_worker_that_is_killed_loses_nothing(
    tmp_path: Path, manifest: Path, added: Gallery
) -> None:
    killed, seen = list[int](), list[int]()

    def report(progress: Progress) -> None:
        seen.append(progress.done)
        for worker in workers() if not killed else ():
            worker.kill()
            killed.append(worker.pid)

    with Gallery.create(tmp_path / "built", SPEC) as built:
        progress = build(built, manifest, report)
        assert killed and seen == [8, 16, 22]
        assert (progress.added, len(progress.bad)) == (COUNT - 2, 2)
        require_same(built, added)
        assert not list((built.path / STAGING).iterdir())
    assert not verify(built.path).findings


@pytest.mark.timeout(240)
def test_the_command_resumes_what_index_add_began(
    tmp_path: Path, manifest: Path, ray_cluster: str
) -> None:
    model = MetricModel.load(MODEL)
    galleries = [tmp_path / name for name in ("built", "added")]
    for path in galleries:
        with Gallery.create(path, SPEC) as gallery:
            index_images(gallery, model, read_source(manifest), batch_size=BATCH)
    change(manifest)
    arguments = ["--engine", "ray", manifest, galleries[0], "--model", MODEL, "--json"]
    arguments += ["--address", ray_cluster, "--block", BLOCK, "--batch", BATCH]
    run = subprocess.run(
        [sys.executable, "-m", "partlens.cli", "index", "build", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)
    assert [facts[name] for name in ("added", "replaced", "updated")] == [2, 1, 1]
    assert facts["unchanged"] == COUNT - 4
    (skipped,) = facts["skipped"]
    assert skipped == {"id": "09.png", "reason": "No such file or directory"}
    *lines, said = run.stderr.splitlines()
    assert said == "skipped 09.png: No such file or directory"
    assert [json.loads(line)["done"] for line in lines] == [8, 16, 23]
    assert json.loads(lines[-1])["seconds_left"] == 0
    with Gallery.open(galleries[0]) as built, Gallery.open(galleries[1]) as added:
        index_images(added, model, read_source(manifest), batch_size=BATCH)
        require_same(built, added)


@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_without_room_says_so() -> None:
    from partlens.indexer.ray_build.cluster import pool

    assert pool("cpu", None, None) == Pool(1, 2, 0)
    assert pool("cpu", None, 1) == Pool(2, 1, 0)
    with pytest.raises(ClusterError, match=r"3 processor cores .* at most 2"):
        pool("cpu", None, 3)
    with pytest.raises(ClusterError, match="a GPU; give --device cpu"):
        pool("cuda", None, None)
