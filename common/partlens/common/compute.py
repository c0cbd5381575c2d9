"""The device and precision that a backbone runs on, and the cores of this process."""

import os
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


def cores() -> int:
    """Processor cores that this process may use."""
    # Elsewhere than on Linux, a process cannot be kept from some of them.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
