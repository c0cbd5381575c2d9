"""Options that the commands of this folder share."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from partlens.client.cli.arguments import FiniteRange
from partlens.runtime.config.sections.shards import ShardsSection
from partlens.server.bench.fanout.cluster import Costs, Hop, Load, Trouble
from partlens.server.bench.fanout.measured import MeasuredError, read
from partlens.server.bench.fanout.service_times import ServiceTimes
from partlens.server.bench.fanout.shares import ShareError


@dataclass(frozen=True)
class Assumed:
    """What simulations assume, whatever the shards; see the classes.

    Attributes:
        read_ms: to read the contributions of one candidate from disk.
    """

    service: ServiceTimes
    costs: Costs
    trouble: Trouble
    load: Load
    read_ms: float


class HopType(click.ParamType[Hop]):
    """The 5th and 95th percentile of a call's own time, in milliseconds."""

    name = "low,high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Hop:
        """Parse the two numbers."""
        if isinstance(value, Hop):
            return value
        try:
            low, high = (float(part) for part in str(value).split(","))
        except ValueError:
            low, high = math.nan, math.nan
        if not (0 < low <= high < math.inf):
            self.fail(f"{value!r} is not two rising numbers above 0, such as 10,40", param, ctx)
        return Hop(low, high)


COSTS = Costs(Hop(2.5, 40), front_ms=8, call_ms=1.85)
_SERVED = ShardsSection()
TROUBLE = Trouble(
    straggling=0.001, straggling_factor=10, notice_ms=100, hedge_ms=1e3 * _SERVED.late_seconds
)
AT_ONCE = _SERVED.workers
"""What is assumed by default; docs/scale.md says where each number comes from."""
_PROBABILITY = FiniteRange(0, 1)
_DURATION = FiniteRange(0, 3_600_000)
_OPTIONS = (
    click.option(
        "--service",
        "file",
        type=click.Path(path_type=Path),
        help="File of measured search times (`partlens bench shares`). By default the bundled one.",
    ),
    click.option(
        "--rate",
        default=10.0,
        show_default=True,
        type=FiniteRange(0.001, 1_000_000),
        help="Queries that arrive in a second.",
    ),
    click.option(
        "--queries",
        default=1000,
        show_default=True,
        type=click.IntRange(100, 1_000_000),
        help="Queries of each simulation.",
    ),
    click.option("--seed", default=0, show_default=True, type=click.IntRange(0)),
    click.option(
        "--hop",
        default=f"{COSTS.hop.low_ms:g},{COSTS.hop.high_ms:g}",
        show_default=True,
        type=HopType(),
        help="5th and 95th percentile of a call's time without the search, in milliseconds.",
    ),
    click.option(
        "--front-ms",
        default=COSTS.front_ms,
        show_default=True,
        type=_DURATION,
        help="Processor time of the front for each query.",
    ),
    click.option(
        "--call-ms",
        default=COSTS.call_ms,
        show_default=True,
        type=_DURATION,
        help="Processor time of the front for each call to a shard.",
    ),
    click.option(
        "--straggling",
        default=TROUBLE.straggling,
        show_default=True,
        type=_PROBABILITY,
        help="Probability that a search is a straggler.",
    ),
    click.option(
        "--straggling-factor",
        default=TROUBLE.straggling_factor,
        show_default=True,
        type=FiniteRange(1, 1_000_000),
        help="How many times as long a straggler takes.",
    ),
    click.option(
        "--lost",
        default=TROUBLE.lost,
        show_default=True,
        type=_PROBABILITY,
        help="Probability that a replica dies with a call, which is then sent to another.",
    ),
    click.option(
        "--notice-ms",
        default=TROUBLE.notice_ms,
        show_default=True,
        type=_DURATION,
        help="Time until the front notices such a death.",
    ),
    click.option(
        "--hedge-ms",
        default=TROUBLE.hedge_ms,
        show_default=True,
        type=_DURATION,
        help="Send a call to another replica too after this time, and take the first answer.",
    ),
    click.option(
        "--read-ms",
        default=0.1,
        show_default=True,
        type=_DURATION,
        help="Time to read a candidate's contributions where they are not in memory.",
    ),
)


def assumptions(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options above; the command receives them as `assumed`."""

    @wraps(command)
    def gathered(
        file: Path | None,
        rate: float,
        queries: int,
        seed: int,
        hop: Hop,
        front_ms: float,
        call_ms: float,
        straggling: float,
        straggling_factor: float,
        lost: float,
        notice_ms: float,
        hedge_ms: float,
        read_ms: float,
        **given: Any,
    ) -> Any:
        with clear_errors():
            service = read(file).service()
        trouble = Trouble(straggling, straggling_factor, lost, notice_ms, hedge_ms)
        costs = Costs(hop, front_ms, call_ms)
        assumed = Assumed(service, costs, trouble, Load(rate, queries, seed), read_ms)
        return command(assumed=assumed, **given)

    found: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        found = option(found)
    return found


@contextmanager
def clear_errors() -> Iterator[None]:
    """End with the message of an error of this folder."""
    try:
        yield
    except (MeasuredError, ShareError) as error:
        raise click.ClickException(str(error)) from error
