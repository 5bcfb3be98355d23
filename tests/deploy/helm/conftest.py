"""The chart, rendered with each of the cases' values."""

from __future__ import annotations

import pytest

from tests.deploy.helm.cases import CASES
from tests.deploy.helm.chart import Rendered, render


@pytest.fixture(params=CASES)
def made(request: pytest.FixtureRequest) -> Rendered:
    return render(CASES[request.param])
