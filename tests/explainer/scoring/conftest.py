"""Every law of scoring holds for the kernel and for numpy."""

from collections.abc import Iterator

import pytest

from partlens.explainer.scoring.engines import ENGINE


@pytest.fixture(params=["kernel", "numpy"], scope="module", autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE, request.param)
        yield request.param
