"""Our endpoints under schemathesis: no 5xx, and every answer as its schema says."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from profiles import store
from profiles.profile import ModelIdentity
from server import own_api, reference
from server.access_file import AccessFile
from server.aliases import Aliases
from server.leases import Leases
from server.policy_file import PolicyFile
from server.registry import Registry
from server.routes import is_own
from server.scan import scan
from tests.fuzz import cases
from tests.server.access.conftest import KEYS
from tests.server.conftest import MODEL, FakeControl, profile

POLICY = """
version: 1
defaults:
  target: [field, header, accept-language, locale, {language: ja}]
  overrides: [target, strength]
  enforce: {strengths: [2]}
rules: [{name: batch, when: {route: /v1/completions, model: m*}, steer: false}]
"""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    (method, path)
    for path, methods in reference.document()["paths"].items()
    for method in methods
    if is_own(path)
]
# What is on offer, what could be, and what nothing is; else whatever the schema allows.
_NAMES = st.none() | st.sampled_from(["de", "ja", "fr", "nl", "de@0"])
_LANGUAGES = st.none() | st.sampled_from(["de", "nl", "*", "ja;q=0.1, de"])
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Registry]:
    folder: Path = tmp_path_factory.mktemp("profiles")
    for language in ("de", "ja"):
        store.save(profile(language), folder)
    (folder / "fr.safetensors").write_bytes(b"junk")
    policy = folder.parent / "policy.yaml"
    policy.write_text(POLICY)
    model: ModelIdentity = MODEL
    control = FakeControl()
    registry = Registry(partial(scan, folder, model), control, Leases(), 8.0)
    file = PolicyFile(policy, 8.0, lambda: registry.catalog, lambda _: None)

    rules = folder.parent / "access.yaml"
    rules.write_text(KEYS)
    access = AccessFile(rules, lambda _: None)

    async def engine() -> bool:
        return True

    app = FastAPI()
    own_api.attach(
        app,
        registry=lambda: registry,
        control=lambda: control,
        engine=engine,
        policy=lambda: file,
        default_model=lambda: "m",
        aliases=Aliases(lambda: ["m"], tuple),
        access=lambda: access,
    )
    return schemathesis.openapi.from_asgi("/openapi.json", app), registry


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_conform(api: tuple[Any, Registry], method: str, path: str) -> None:
    schema, registry = api

    @cases(25, 1000)
    @given(case=schema[path][method].as_strategy(), name=_NAMES, language=_LANGUAGES)
    def conforms(case: Any, name: str | None, language: str | None) -> None:
        asyncio.run(registry.reload())  # what was unloaded is there again
        if name and "name" in case.path_parameters:
            case.path_parameters["name"] = name
        if language and path.endswith("/explain") and isinstance(case.body, dict):
            case.body["headers"] = {"Accept-Language": language}
        case.call_and_validate(checks=CHECKS)

    conforms()
