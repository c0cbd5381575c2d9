"""What `partlens model import` was asked for, in a form that another process can read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

AUTO = "auto"
"""A feature layer that is chosen by measuring several."""


@dataclass(frozen=True)
class ImportRequest:
    """One import; paths are absolute or relative to the working folder.

    Attributes:
        name, licence: for model.json.
        factory, weights, weights_entry, feature_layer: of --torch; feature_layer of --hf too. A
            feature layer or tensor may be AUTO.
        onnx_file, feature_tensor, other_size: of --onnx.
        embedding: of --torch and --onnx.
        stride: most pixels between neighbours of the feature map; None for the network's own.
        pretrained, pooling: of --hf.
        extras: names of the first tokens that lie on no cell.
        one_position: allow a feature map of one position, which explains nothing.
        images: folder of real images for the checks; None for generated ones.
        pixels: fields of Preprocessing that were given.
    """

    name: str
    licence: str = ""
    factory: str | None = None
    weights: str | None = None
    weights_entry: str = ""
    feature_layer: str = ""
    onnx_file: str | None = None
    feature_tensor: str = ""
    embedding: str = ""
    other_size: bool = False
    stride: int | None = None
    pretrained: str | None = None
    pooling: str | None = None
    extras: tuple[str, ...] = ()
    one_position: bool = False
    images: str | None = None
    pixels: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "ImportRequest":
        """Read back what to_json gave, from a JSON text."""
        pixels = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in plain["pixels"].items()
        }
        return cls(**{**plain, "extras": tuple(plain["extras"]), "pixels": pixels})
