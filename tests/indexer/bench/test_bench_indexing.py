"""`partlens bench index` on the starter model."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from own_clock import Clock

from partlens.explainer.backbone import OnnxBackbone
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import generate
from partlens.explainer.starter.pictures.manifest import write_pictures
from partlens.indexer.bench import indexing as bench
from partlens.indexer.bench import stages
from partlens.indexer.gallery import Gallery
from partlens.indexer.sources import read_source
from partlens.indexer.sources.image import ImageFile


def test_each_stage_is_timed_and_indexing_is_compared_with_the_backbone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch, bench)
    clock.charge(OnnxBackbone, "__call__", lambda _, pixels: 1.0 * len(pixels))
    clock.charge(bench, "load", lambda *_: 2.0)
    # On top of running the backbone.
    clock.charge(bench, "index_images", lambda _, __, images, **___: 3.0 * len(images))
    result = CliRunner().invoke(
        bench.index, ["--count", "8", "--batch", "4", "--repeats", "1", "--json"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found.pop("stages")) == list(stages.STAGES)
    assert found == {
        "model": "starter",
        "images": 8,
        "batch": 4,
        "device": "cpu",
        "precision": "float32",
        "backbone": 1.0,
        "decoding": 0.5,
        "indexing": 0.25,
        "ratio": 0.25,
        "cpu_ratio": 0.25,
        "backbone_cpu": 1000.0,
        "indexing_cpu": 4000.0,
    }


def test_processor_time_goes_to_the_stage_that_takes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_pictures(generate(6, 0, 2), tmp_path)
    images = read_source(tmp_path).images
    clock = Clock(monkeypatch, stages)
    clock.charge(ImageFile, "read")
    clock.charge(stages, "decode", lambda *_: 2.0)
    clock.charge(Preprocessing, "pixels", lambda *_: 3.0)
    clock.charge(stages, "thumbnail", lambda *_: 4.0)
    clock.charge(OnnxBackbone, "__call__", lambda _, pixels: 5.0 * len(pixels))
    clock.charge(MetricModel, "decompose_features", lambda _, feature: 6.0 * len(feature))
    clock.charge(stages, "media_digest", lambda *_: 7.0)
    clock.charge(stages, "packed", lambda images, *_: 8.0 * len(images))
    clock.charge(Gallery, "add", lambda _, images: 9.0 * len(images))
    clock.charge(Gallery, "compact", lambda *_: 60.0)
    found = stages.processor_time(MetricModel.load(model_folder()), images, 4)
    assert {stage: found[stage] / 1000 for stage in stages.STAGES} == {
        "read": 1.0,
        "decode": 2.0,
        "resize": 3.0,
        "thumbnail": 4.0,
        "backbone": 5.0,
        "head": 6.0,
        "hash": 7.0,
        "quantise": 8.0,
        "rows": 0.0,
        "sync": 0.0,
        "commit": 9.0,
        "indexes": 10.0,
    }
