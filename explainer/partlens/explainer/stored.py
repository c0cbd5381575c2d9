"""Contributions as a gallery stores them: float16, or int8 with a scale per position.

Axis letters: M images, P positions, D dimensions.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from partlens.common.storage import Storage
from partlens.explainer.halves import to_half, to_single

FloatArray = NDArray[np.float32]
RowNumbers = NDArray[np.integer]
Rows = int | slice | RowNumbers
_LARGEST = 127


class RowArray(Protocol):
    """An array whose rows can be read: one of NumPy, or one in a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its numbers."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


class FileArray(RowArray, Protocol):
    """An array in a file, one row after another.

    Attributes:
        descriptor: of the open file.
        offset: of row 0 in it, in bytes.
    """

    descriptor: int
    offset: int

    def require(self, copied: bool = True) -> None:
        """Call this after rows were read from the descriptor.

        Raises:
            Exception: they could not be read, or the file has been truncated since.
        """
        ...


def is_in_file(array: RowArray) -> TypeGuard[FileArray]:
    """Whether an array is a FileArray; `isinstance` of a protocol takes 0.1 ms."""
    return hasattr(array, "descriptor")


@dataclass(frozen=True, eq=False)
class Stored:
    """Contributions in storage form, in memory or in files.

    Attributes:
        values: float16 or int8, shape [M, P, D]; float32 of contributions that are not rounded.
        scales: factor for the int8 values of each position, float32 [M, P]; None for others.
    """

    values: RowArray
    scales: RowArray | None = None

    @classmethod
    def of(cls, contributions: FloatArray, storage: Storage) -> "Stored":
        """Round contributions to the storage type.

        An int8 is off by at most half a scale: a 254th of the position's largest number.
        """
        if storage == "float16":
            return cls(to_half(contributions))
        scales = np.abs(contributions).max(-1) / np.float32(_LARGEST)
        divisors = np.where(scales > 0, scales, np.float32(1))
        values = np.rint(contributions / divisors[..., None]).clip(-_LARGEST, _LARGEST)
        return cls(values.astype(np.int8), scales)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Rows) -> FloatArray:
        """Stored numbers as float32: [P, D] for one image, [M, P, D] for several."""
        if self.scales is None:
            values = np.asarray(self.values[rows])
            half = values.dtype == np.float16
            return to_single(values) if half else np.asarray(values, np.float32)
        return np.asarray(self.values[rows] * self.scales[rows][..., None], np.float32)

    def take(self, rows: Rows) -> "Stored":
        """Some of the images, still in storage form."""
        return Stored(self.values[rows], None if self.scales is None else self.scales[rows])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, P, D)."""
        images, positions, dimensions = self.values.shape
        return images, positions, dimensions

    @property
    def bytes_per_image(self) -> int:
        """Bytes of an image's numbers and scales."""
        _, positions, dimensions = self.shape
        return positions * (self.values.dtype.itemsize * dimensions + 4 * (self.scales is not None))


def kept_bytes(positions: int, dimensions: int, storage: Storage) -> int:
    """Stored bytes of one image's contributions.

    >>> kept_bytes(49, 1280, "float16"), kept_bytes(49, 1280, "int8")
    (125440, 62916)
    """
    return positions * (2 * dimensions if storage == "float16" else dimensions + 4)
