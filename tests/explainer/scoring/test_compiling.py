"""What the kernel compiles to on processors that lack an instruction."""

import os
import subprocess
import sys
from typing import Any

import numba
import numpy as np
import pytest
from numba import types

from partlens.explainer.scoring.engines import ENGINE
from partlens.explainer.scoring.kernel import compiling

COMPARE = """
import os, numpy as np
from partlens.explainer.scoring import query_part, score_rows
from partlens.explainer.scoring.kernel.compiling import HAS_HALVES
from partlens.explainer.stored import Stored

random = np.random.default_rng(0)
query, images, bias = (random.normal(size=s).astype("f") for s in ((49, 37), (9, 49, 37), (9, 37)))
weights = np.zeros(49, "f")
weights[[8, 9, 15, 16]] = 1
part = query_part(query, bias[0], weights, (7, 7))
found = []
for engine in ("kernel", "numpy"):
    os.environ["PARTLENS_SCORING"] = engine
    stored = Stored.of(images, "float16")
    found.append(score_rows("context", [part], stored, bias, np.arange(9), (7, 7)).scores)
np.testing.assert_allclose(*found, atol=5e-6)
print(HAS_HALVES)
"""


@compiling._intrinsic
def widened(_context: Any, _bits: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return compiling.widened_by_integers(builder, arguments[0])

    return types.float32(types.uint16), generate


@numba.njit  # type: ignore[untyped-decorator]
def widen(halves: Any, singles: Any) -> None:
    for i in range(len(halves)):
        singles[i] = widened(halves[i])


def test_every_float16_is_widened_exactly_without_the_instruction() -> None:
    halves = np.arange(2**16).astype(np.uint16)
    singles = np.zeros(2**16, np.float32)
    widen(halves, singles)
    expected = halves.view(np.float16).astype(np.float32)
    assert (singles.view(np.uint32) == expected.view(np.uint32)).all()


@pytest.mark.long
def test_a_processor_of_the_first_kind_scores_as_numpy() -> None:
    """The process would end in LLVM if the kernel called what no library has."""
    ran = subprocess.run(
        [sys.executable, "-c", COMPARE],
        env={**os.environ, "NUMBA_CPU_NAME": "generic", ENGINE: "kernel"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == str(not compiling.TARGET[0].startswith("x86"))
