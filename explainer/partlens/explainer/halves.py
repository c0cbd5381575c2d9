"""Converts between float16, the storage type of contributions, and float32, used to compute.

numpy converts in software and took half of the time of a search and a third of that of a commit.
torch uses the processor's own instructions, which measured 20 times as fast. It is imported when
numbers are first converted: it takes seconds and 200 MB, and a process that scores by the compiled
kernel need not convert any.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


def to_half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """The nearest float16 of each value, same shape; infinite beyond the float16 range."""
    with one_torch_thread():
        return _torch(values).half().numpy()


def to_single(values: NDArray[np.float16]) -> NDArray[np.float32]:
    """The same values as float32, same shape."""
    with one_torch_thread():
        return _torch(values).float().numpy()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Run torch's small operators on this thread only.

    Between operators torch's other threads spin and take cores from ONNX Runtime and from
    decoding: this measured 10 to 20 times the processor time, for no gain.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _torch(values: NDArray[np.floating]) -> "torch.Tensor":
    import torch

    # torch does not share read-only memory, such as a memory-mapped file.
    return torch.from_numpy(values if values.flags.writeable else values.copy())
