"""Saves the trained starter network as a model folder."""

import json
from pathlib import Path

from partlens.explainer.importing.torch_module import with_onnx_backbone
from partlens.explainer.model import MetricModel
from partlens.explainer.registering import register
from partlens.explainer.starter.network import FEATURE_LAYER, PREPROCESSING, StarterNetwork
from partlens.explainer.starter.pictures.picture import generate, probes
from partlens.explainer.starter.training import HELD_OUT_SEED, Report

REPORT_FILE = "training.json"


def as_model(network: StarterNetwork) -> MetricModel:
    """The network as a live model, with completeness checked on generated pictures.

    Raises:
        CompletenessError: contributions and bias do not add up to the embedding.
    """
    images = [picture.image for picture in generate(8, HELD_OUT_SEED)]
    return MetricModel.from_module(
        network,
        feature_layer=FEATURE_LAYER,
        preprocessing=PREPROCESSING,
        name="starter",
        licence="Apache-2.0",
        images=images,
    )


def save(network: StarterNetwork, report: Report, folder: Path) -> MetricModel:
    """Write the model folder, with a record of its training.

    Raises:
        ModelFileError: the folder already exists.
        CompletenessError: the ONNX backbone differs from the network.
    """
    model = register(with_onnx_backbone(as_model(network)), probes())[0].save(folder)
    text = json.dumps(report.to_json(), indent=1)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
    return model
