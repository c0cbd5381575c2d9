"""Tables of the quality of rankings."""

import math
from collections.abc import Mapping

from partlens.common.tables import Table
from partlens.explainer.evaluation.part_quality import PartEvaluation, PartScores
from partlens.explainer.evaluation.sampling import Interval

_MOST = 40
"""Most groups that a table lists."""


def scores_table(groups: str, found: Mapping[str, PartEvaluation], caption: str) -> Table:
    """The scores of each ranking: by group unless there are many, and the means with intervals.

    Args:
        groups: what is searched for, such as "part".
        found: the quality of each ranking.
        caption: a line below the table.
    """
    table = Table(groups, *found, title="precision@10 / hit", caption=caption)
    rows = next(iter(found.values())).by_part
    for group in rows if len(rows) <= _MOST else ():
        table.add_row(group, *(_scores(one.by_part[group]) for one in found.values()))
    table.add_row("mean", *(_scores(one.mean) for one in found.values()))
    intervals = [one.intervals for one in found.values()]
    for name, end in (("95 % from", 0), ("to", 1)):
        ends = ([both and both[end] for both in pair] for pair in intervals)
        table.add_row(name, *(" / ".join(map(written, pair)) for pair in ends))
    return table


def written(value: float | Interval | None) -> str:
    """A share or an interval of shares for a table; "-" for none.

    >>> written(0.25), written(Interval(0.1, 0.2)), written(None)
    ('0.250', '0.100-0.200', '-')
    """
    if isinstance(value, Interval):
        return f"{value.low:.3f}-{value.high:.3f}"
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def _scores(scores: PartScores) -> str:
    return f"{written(scores.precision_at_10)} / {written(scores.part_hit)}"
