"""Scores images by the compiled kernel."""

from collections.abc import Sequence

import numpy as np

from partlens.explainer.scoring.kernel.compiling import LANES
from partlens.explainer.scoring.kernel.images import Results
from partlens.explainer.scoring.kernel.loading import load
from partlens.explainer.scoring.kernel.memory import arguments_of, make_results
from partlens.explainer.scoring.kernel.plan import make_plan
from partlens.explainer.scoring.part import FloatArray, QueryPart
from partlens.explainer.scoring.score import Scored, Shares
from partlens.explainer.stored import RowArray, RowNumbers, Stored, is_in_file


class KernelScorer:
    """Scores images by the kernel; an engines.Scorer."""

    def __init__(
        self, searches: Sequence[tuple[Shares, Sequence[QueryPart]]], grid: tuple[int, int]
    ) -> None:
        self._count, self._grid = len(searches), grid
        self._plan = make_plan(searches, grid, LANES)
        self._needs_bias = any(shares.whole for shares, _ in searches)

    def images(self, stored: Stored, bias: RowArray, rows: RowNumbers) -> Scored:
        """See engines.Scorer."""
        results = make_results(len(rows), self._grid)
        self._run(stored, bias, rows, results)
        return Scored(
            results.scores[:, 0].astype(np.float32),
            results.maps.reshape(len(rows), *self._grid),
            results.constants,
            np.clip(results.windows, 0, np.tile(np.array(self._grid), 2)),
        )

    def scores(self, stored: Stored, bias: RowArray, rows: RowNumbers) -> FloatArray:
        """See engines.Scorer."""
        results = make_results(0, self._grid)._replace(scores=np.zeros((len(rows), self._count)))
        self._run(stored, bias, rows, results)
        return results.scores.astype(np.float32)

    def _run(self, stored: Stored, bias: RowArray, rows: RowNumbers, results: Results) -> None:
        needed = bias if self._needs_bias else None
        failed = load().score_rows(
            *arguments_of(stored, needed, rows, self._plan, self._grid, results)
        )
        for number, each in enumerate((stored.values, stored.scales, needed), start=1):
            if is_in_file(each):
                each.require(failed != number)
