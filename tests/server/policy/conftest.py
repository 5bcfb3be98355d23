"""A request before a policy, in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from server.catalog import Catalog
from server.policy.asked import Asked
from server.policy.case import Case
from server.policy.load import load

CHAT = "/v1/chat/completions"


@pytest.fixture
def case(catalog: Catalog) -> Callable[..., Case]:
    """case(policy, tenant=, route=, target=, languages=, **body)."""

    def make(
        policy: str,
        *,
        tenant: str = "",
        route: str = CHAT,
        target: str = "",
        languages: str = "",
        **body: Any,
    ) -> Case:
        asked = Asked(
            route=route,
            tenants=frozenset(tenant.split()),
            target_header=(target,) if target else (),
            accept_language=(languages,) if languages else (),
            body=body,
        )
        return Case(load(policy.encode()), asked, catalog, max_strength=8.0, default_model="served")

    return make
