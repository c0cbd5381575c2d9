"""What a backbone runs on."""

from dataclasses import dataclass
from typing import Literal

Device = Literal["cpu", "cuda"]
Precision = Literal["float32", "float16"]


@dataclass(frozen=True)
class Compute:
    """What a backbone runs on.

    Attributes:
        device: "cuda" is the first NVIDIA GPU, and needs onnxruntime-gpu.
        precision: of the numbers inside; pixels and feature map are float32 all the same.
            "float16" is for GPUs: half of the memory, and their faster units.
    """

    device: Device = "cpu"
    precision: Precision = "float32"


CPU = Compute()
