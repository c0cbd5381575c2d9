"""Between float16, in which contributions are kept, and float32, in which they are computed with.

numpy converts in software; torch uses the processor's own instructions, which measured 20 times as
fast and was half of the time of a search and a third of that of a commit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray


def to_half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """The nearest float16 of each value, same shape; infinite beyond its largest."""
    with one_torch_thread():
        return _torch(values).half().numpy()


def to_single(values: NDArray[np.float16]) -> NDArray[np.float32]:
    """The same values as float32, same shape."""
    with one_torch_thread():
        return _torch(values).float().numpy()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keeps torch's small operators on this thread.

    Its other threads would spin between them and take the cores from ONNX Runtime's and from
    those that decode: measured 10 to 20 times the processor time, for no gain.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _torch(values: NDArray[np.floating]) -> torch.Tensor:
    # torch refuses to share what must not be written to, as a memory-mapped file.
    return torch.from_numpy(values if values.flags.writeable else values.copy())
