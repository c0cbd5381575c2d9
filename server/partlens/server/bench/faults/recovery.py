"""What a fault cost: from the searches before it and after it."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from partlens.server.bench.faults.load import Searched

_USUAL = 2.0
"""A second is as usual if its median is at most this many times the median before the fault."""


@dataclass(frozen=True)
class Recovery:
    """What a fault cost.

    Attributes:
        fault: which it was.
        searches: how many ended after it.
        failed: error -> how many searches ended with it; "wrong" for another answer than before.
        usual_ms: median before the fault.
        longest_ms: of the searches that ended after it.
        usual_again_seconds: time until searches took as long as before; None if they did not.
        replicas_again_seconds: time until all replicas answered again; None if they did not.
    """

    fault: str
    searches: int
    failed: dict[str, int]
    usual_ms: float
    longest_ms: float
    usual_again_seconds: float | None
    replicas_again_seconds: float | None


def recovery(
    fault: str,
    at: float,
    before: Sequence[Searched],
    after: Sequence[Searched],
    replicas_again_seconds: float | None,
) -> Recovery:
    """Summarise what a fault cost.

    Args:
        at: when it was, of time.monotonic.
        before, after: searches that ended before and after it; at least one of each.
    """
    usual = statistics.median(one.seconds for one in before)
    return Recovery(
        fault=fault,
        searches=len(after),
        failed=dict(Counter(one.error for one in after if one.error)),
        usual_ms=1e3 * usual,
        longest_ms=1e3 * max(one.seconds for one in after),
        usual_again_seconds=usual_again(at, after, usual),
        replicas_again_seconds=replicas_again_seconds,
    )


def usual_again(at: float, after: Sequence[Searched], usual: float) -> float | None:
    """Whole seconds after a time from which on the median of each second was at most twice the
    usual; None if that of the last was not, or a search failed in it.

    Seconds in which no search ended count with the next one in which one did, as it was awaited.

    >>> usual_again(0, [Searched(0, 0.9, ""), Searched(0.9, 4.5, ""), Searched(4.5, 5.4, "")], 1)
    5.0
    >>> usual_again(0, [Searched(0, 0.9, "")], 0.1) is None
    True
    """
    by_second: dict[int, list[Searched]] = {}
    for one in after:
        by_second.setdefault(int(one.ended - at), []).append(one)
    bad = [
        second
        for second, found in by_second.items()
        if any(one.error for one in found)
        or statistics.median(one.seconds for one in found) > _USUAL * usual
    ]
    if not bad:
        return 0.0
    return None if max(bad) == max(by_second) else float(max(bad) + 1)
