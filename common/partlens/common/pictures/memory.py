"""The memory that decoding a picture takes, known before it is taken."""

from partlens.common.pictures.limits import DEFAULT_LIMITS, ImageLimits
from partlens.common.pictures.opening import recognised
from partlens.common.pictures.scale import Least
from partlens.common.pictures.watching import while_waiting
from partlens.common.waiting import RequireWaiting, wait_always


def memory_of(
    data: bytes,
    limits: ImageLimits = DEFAULT_LIMITS,
    require_waiting: RequireWaiting = wait_always,
    least: Least | None = None,
) -> int:
    """Bytes that decoding a picture takes at most, at least 1; reads no more than its header.

    Args:
        least: as of decode_at_least; None for decode.

    Raises:
        PictureError: see decode; damage behind the header is not found.
    """
    limits.require_bytes(data)
    return while_waiting(require_waiting, lambda check: _memory_of(data, limits, check, least))


def _memory_of(data: bytes, limits: ImageLimits, check: RequireWaiting, least: Least | None) -> int:
    with limits.naming_limit():
        return recognised(data, limits.require, require_waiting=check, least=least).memory
