"""A small model trained on generated people, to start with before you have your own model."""

from pathlib import Path


def model_folder() -> Path:
    """The folder of the installed starter model.

    >>> sorted(file.name for file in model_folder().iterdir())
    ['backbone.onnx', 'head.json', 'head.safetensors', 'model.json', 'training.json']
    """
    return Path(__file__).parent / "model"
