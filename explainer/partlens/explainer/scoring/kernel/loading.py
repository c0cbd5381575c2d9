"""Compiles the kernel, or loads it as it was compiled before."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import llvmlite
import numba
import numpy as np
from numba.core import config

from partlens.explainer.scoring.kernel import kept
from partlens.explainer.scoring.kernel.compiling import LANES, TARGET, options
from partlens.explainer.scoring.kernel.images import score_rows
from partlens.explainer.scoring.kernel.memory import (
    KINDS,
    arguments_of,
    make_results,
)
from partlens.explainer.scoring.kernel.plan import make_plan
from partlens.explainer.scoring.kernel.products import arguments_of_product, multiply_rows
from partlens.explainer.scoring.part import query_part
from partlens.explainer.scoring.score import Shares
from partlens.explainer.stored import Stored

_log = logging.getLogger(__name__)


class Kernel(NamedTuple):
    """Compiled functions; images and products say what they take."""

    score_rows: Callable[..., int]
    multiply_rows: Callable[..., None]


@cache
def load() -> Kernel:
    """The kernel for all types of numbers.

    Raises:
        Exception: it cannot be compiled here.
    """
    name = kept.name_of(numba.__version__, llvmlite.__version__, TARGET)
    try:
        with tempfile.TemporaryDirectory(prefix="partlens-") as folder:
            return _restored(name, Path(folder, "found")) or _fresh(name, Path(folder, "fresh"))
    except OSError as error:
        _log.warning("each process compiles the scoring kernel for itself: %s", error)
        return _compiled(None)


def _restored(name: str, folder: Path) -> Kernel | None:
    path = kept.restore(name, folder)
    if path is None:
        return None
    try:
        return _compiled(folder)
    except Exception as error:
        # numba reads its files without any check of its own.
        _log.warning("%s cannot be used and is made again: %r", path, error)
        return None


def _fresh(name: str, folder: Path) -> Kernel:
    begun = time.perf_counter()
    folder.mkdir()
    kernel = _compiled(folder)
    spent = time.perf_counter() - begun
    try:
        _log.info("compiled the scoring kernel in %.1f s: %s", spent, kept.keep(name, folder))
    except OSError as error:
        _log.warning(
            "compiled the scoring kernel in %.1f s, as every start will, because it cannot be kept:"
            " %s; set XDG_CACHE_HOME to a folder that this user may write to",
            spent,
            error,
        )
    return kernel


def _compiled(folder: Path | None) -> Kernel:
    """Compile the kernel. numba keeps its files in a folder, and uses those already there."""
    settings = cast("Any", config)
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder or "")
    try:
        cached = folder is not None
        score: Any = numba.njit(**options("contract"), cache=cached)(score_rows)
        for arguments in _samples():
            score.compile(tuple(numba.typeof(one) for one in arguments))
        multiply: Any = numba.njit(**options("contract", "reassoc"), cache=cached)(multiply_rows)
        one = np.ones((1, 1), np.float16), np.arange(1), np.ones(1, np.float32)
        multiply.compile(tuple(numba.typeof(each) for each in arguments_of_product(*one)))
    finally:
        settings.CACHE_DIR = before
    # What they were not compiled for would be compiled in the middle of a search.
    score.disable_compile()
    multiply.disable_compile()
    return Kernel(score, multiply)


def _samples() -> Iterator[tuple[object, ...]]:
    """Arguments of each kind."""
    one, grid = np.ones((1, 1), np.float32), (1, 1)
    plan = make_plan([(Shares(whole=1), [query_part(one, one[0], one[0], grid)])], grid, LANES)
    for kind in KINDS:
        stored = Stored(np.ones((1, 1, 1), kind))
        yield arguments_of(stored, one, np.arange(1), plan, grid, make_results(1, grid))
