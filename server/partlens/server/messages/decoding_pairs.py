"""Decodes which pairs of positions a request asks for."""

from collections.abc import Sequence

from partlens.common.explained_pair import Side
from partlens.runtime.config.sections import LimitsSection
from partlens.server.errors import RequestError
from partlens.server.requests.questions import PairsToExplain
from partlens.v1 import part_search_service_pb2 as search_pb

SIDES: dict[int, Side] = {
    search_pb.PAIR_SIDE_QUERY: "query",
    search_pb.PAIR_SIDE_RETRIEVED: "retrieved",
}


def pairs_of(
    message: search_pb.PairSelection, limits: LimitsSection, grid: tuple[int, int]
) -> PairsToExplain:
    """Decode a selection of pairs.

    Args:
        grid: (rows, cols) of both images.

    Raises:
        RequestError: the side or a position does not exist, a position is given twice, or there
            are too many pairs.
    """
    count, given = grid[0] * grid[1], message.positions
    if message.side not in (search_pb.PAIR_SIDE_UNSPECIFIED, *SIDES):
        raise RequestError(
            "pairs.side",
            f"{message.side}; allowed are PAIR_SIDE_QUERY (the default) and PAIR_SIDE_RETRIEVED",
        )
    _require_positions(given, grid)
    pairs = (len(given) or count) * count
    if pairs > limits.pairs:
        few = limits.pairs // count
        advice = f"name at most {few} positions in each request" if few else "raise that limit"
        raise RequestError(
            "pairs.positions",
            f"{len(given) or 'all'} positions make {pairs} pairs; at most {limits.pairs} are"
            f" allowed (limits.pairs): {advice}",
        )
    return PairsToExplain(SIDES.get(message.side, "query"), tuple(given or range(count)))


def _require_positions(given: Sequence[int], grid: tuple[int, int]) -> None:
    (rows, cols), seen = grid, set[int]()
    for i, position in enumerate(given):
        field = f"pairs.positions[{i}]"
        if position >= rows * cols:
            raise RequestError(
                field,
                f"{position}; the grid has {rows} x {cols} positions, 0 to {rows * cols - 1}",
            )
        if position in seen:
            raise RequestError(field, f"{position} is given twice; name each position once")
        seen.add(position)
