"""A small model trained on generated people, to start with before there is a model of one's own."""

from pathlib import Path


def model_folder() -> Path:
    """The folder of the starter model, as it is installed.

    >>> sorted(file.name for file in model_folder().iterdir())
    ['backbone.onnx', 'head.json', 'head.safetensors', 'model.json', 'training.json']
    """
    return Path(__file__).parent / "model"
