"""Tables of the quality of rankings."""

import math
from collections.abc import Mapping, Sequence

from partlens.common.tables import Table
from partlens.explainer.evaluation.comparison import Change
from partlens.explainer.evaluation.part_quality import PartEvaluation, PartScores
from partlens.explainer.evaluation.sampling import Interval, plain

_MOST = 40
"""Most groups that a table lists."""


def scores_table(
    groups: str,
    found: Mapping[str, PartEvaluation],
    caption: str,
    changed: Mapping[str, Mapping[str, Change]] | None = None,
) -> Table:
    """The scores of each ranking: by group unless there are many, and the means with intervals.

    Args:
        groups: what is searched for, such as "part".
        found: the quality of each ranking.
        caption: a line below the table.
        changed: changes of the means since an earlier run, by ranking.
    """
    table = Table(groups, *found, title="precision@10 / hit", caption=caption)
    rows = next(iter(found.values())).by_part
    for group in rows if len(rows) <= _MOST else ():
        table.add_row(group, *(_scores(one.by_part[group]) for one in found.values()))
    table.add_row("mean", *(_scores(one.mean) for one in found.values()))
    _add_intervals(table, [one.intervals for one in found.values()])
    if changed is not None:
        pairs = [tuple(changed.get(name, {}).values()) for name in found]
        values = ([written(c.value, signed=True) for c in pair] for pair in pairs)
        table.add_row("change", *map(" / ".join, values))
        _add_intervals(table, [[c.interval for c in pair] for pair in pairs], signed=True)
    return table


def scores_json(
    groups: str,
    found: Mapping[str, PartEvaluation],
    changed: Mapping[str, Mapping[str, Change]] | None = None,
) -> dict[str, dict[str, object]]:
    """The same as plain values; `groups` names the scores of each group."""
    written_out = {name: one.to_json(groups) for name, one in found.items()}
    for name, change in (changed or {}).items():
        of_change = {of: (plain(one.value), one.interval) for of, one in change.items()}
        written_out[name]["change"] = of_change
    return written_out


def _add_intervals(
    table: Table, intervals: Sequence[Sequence[Interval | None]], *, signed: bool = False
) -> None:
    for name, end in (("95 % from", 0), ("to", 1)):
        ends = ([written(both and both[end], signed=signed) for both in pair] for pair in intervals)
        table.add_row(name, *map(" / ".join, ends))


def written(value: float | Interval | None, *, signed: bool = False) -> str:
    """A share or an interval of shares for a table; "-" for none.

    >>> written(0.25), written(Interval(0.1, 0.2)), written(None), written(0.25, signed=True)
    ('0.250', '0.100-0.200', '-', '+.250')
    """
    if isinstance(value, Interval):
        return f"{value.low:.3f}-{value.high:.3f}"
    if value is None or math.isnan(value):
        return "-"
    return f"{value:+.3f}".replace("0.", ".", 1) if signed else f"{value:.3f}"


def _scores(scores: PartScores) -> str:
    return f"{written(scores.precision_at_10)} / {written(scores.part_hit)}"
