"""The device and precision that a backbone runs on."""

from dataclasses import dataclass
from typing import Literal

Device = Literal["cpu", "cuda"]
Precision = Literal["float32", "float16"]


@dataclass(frozen=True)
class Compute:
    """The device and precision that a backbone runs on.

    Attributes:
        device: "cuda" is the first NVIDIA GPU, and needs onnxruntime-gpu.
        precision: of the computation; pixels and the feature map are float32 in either case.
            "float16" is for GPUs: it halves the memory and uses their faster units.
    """

    device: Device = "cpu"
    precision: Precision = "float32"


CPU = Compute()
