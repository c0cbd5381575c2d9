"""The most recently used values, bounded in number and in bytes."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by id. Beyond a bound, the least recently used are dropped.

    Args:
        most, most_bytes: most values kept, and most bytes of them together; a value that has more
            by itself is not kept.
        size: bytes of a value.
    """

    def __init__(self, most: int, most_bytes: int, size: Callable[[T], int]) -> None:
        self._most, self._most_bytes, self._size = most, most_bytes, size
        self._values: OrderedDict[str, T] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    @property
    def total(self) -> int:
        """Bytes of all values together."""
        return self._bytes

    def require_room(self, most_bytes: int) -> None:
        """Raise the bound in bytes to at least this."""
        self._most_bytes = max(self._most_bytes, most_bytes)

    def find(self, id: str) -> T | None:
        """The value with this id, marked as just used; None if it is not kept."""
        if id not in self._values:
            return None
        self._values.move_to_end(id)
        return self._values[id]

    def keep(self, id: str, value: T) -> None:
        """Keeps a value unless one with this id is kept, and marks it as just used."""
        if self.find(id) is not None or self._size(value) > self._most_bytes:
            return
        self._values[id] = value
        self._bytes += self._size(value)
        while len(self._values) > self._most or self._bytes > self._most_bytes:
            _, dropped = self._values.popitem(last=False)
            self._bytes -= self._size(dropped)
