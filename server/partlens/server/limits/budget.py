"""A number of bytes that callers share."""

import asyncio
from collections import Counter


class Budget:
    """Bytes in memory, over all callers and of each.

    What is larger than a limit is let in when nothing else counts against it.

    Args:
        most: most bytes of all holders.
        share: most bytes of one holder.
    """

    def __init__(self, most: int, share: int) -> None:
        self._most, self._share = most, share
        self._held: Counter[str] = Counter()
        self.used = 0
        self._freed = asyncio.Condition()

    async def reserve(self, holder: str, size: int) -> None:
        """Counts bytes of a holder once there is room; "" is nobody, who has no share."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._has_room(holder, size))
            self.used += size
            self._held[holder] += size

    async def release(self, holder: str, size: int) -> None:
        """Makes room."""
        async with self._freed:
            self.used -= size
            self._held[holder] -= size
            if not self._held[holder]:
                del self._held[holder]
            self._freed.notify_all()

    def _has_room(self, holder: str, size: int) -> bool:
        held = self._held.get(holder, 0)
        of_holder = not holder or not held or held + size <= self._share
        return of_holder and (not self.used or self.used + size <= self._most)
