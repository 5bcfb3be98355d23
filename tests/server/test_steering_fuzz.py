"""Any JSON as `steering`, through the middleware: the answer is steered, or it is a 400."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from server.catalog import Catalog
from server.routes import STEERABLE
from tests.fuzz import cases
from tests.server.conftest import CHAT, Stack
from tests.server.test_decide import json_values, wishes

FREE = """
version: 1
defaults:
  steer: false
  target: [field, header]
  overrides: [target, suppress, strength, phase, profile, reasoning]
"""
STRICT = """
version: 1
defaults:
  target: [field, header, {language: ja}]
  suppress: [zh]
  overrides: [target, suppress, strength, phase, profile, reasoning]
"""
POLICIES = ("", FREE, STRICT)
_STACKS: dict[str, Stack] = {}


def spellings(steering: Any) -> st.SearchStrategy[bytes]:
    """Bodies with this value, as JSON allows them to be written."""
    fields = {"prompt": "a", "steering": steering}
    return st.sampled_from(
        [
            json.dumps(fields).encode(),
            json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass"),
            json.dumps(fields).encode("utf-16"),
            json.dumps(fields, indent=2).encode("utf-8-sig"),
            json.dumps(fields).replace("steering", "st\\u0065ering", 1).encode(),
        ]
    )


@cases(400)
@given(
    steering=wishes,
    path=st.sampled_from(sorted(STEERABLE)),
    policy=st.sampled_from(POLICIES),
    data=st.data(),
)
@example(steering={"target": "de"}, path=CHAT, policy="", data=None)
@example(steering={"strength": 10**400, "target": "de"}, path=CHAT, policy="", data=None)
@example(steering={"target": "\ud800"}, path=CHAT, policy=STRICT, data=None)
def test_steered_or_refused_never_passed_on(
    catalog: Catalog, steering: Any, path: str, policy: str, data: Any
) -> None:
    body = data.draw(spellings(steering)) if data else json.dumps({"steering": steering}).encode()
    answer, stack = asyncio.run(ask(catalog, policy, path, body))
    if answer.status_code == 200:
        assert stack.upstream.calls == 1
        sent = json.loads(stack.upstream.body)
        if steering is not None:
            assert "steering" not in sent
            assert stack.upstream.steering is not None
            assert "@" in answer.headers["x-steering-profile"]
    else:
        assert answer.status_code in {400, 403}
        assert answer.json()["error"]["code"] == answer.status_code
        assert len(answer.json()["error"]["message"]) < 1300
        assert stack.upstream.calls == 0


@cases(200)
@given(raw=st.binary(max_size=60), policy=st.sampled_from(POLICIES), value=json_values)
def test_bodies_that_are_no_requests_are_never_an_error_of_ours(
    catalog: Catalog, raw: bytes, policy: str, value: Any
) -> None:
    for body in (raw, b'{"steering":' + raw + b"}", json.dumps(value).encode()):
        answer, _ = asyncio.run(ask(catalog, policy, CHAT, body))
        assert answer.status_code in {200, 400, 403}


async def ask(catalog: Catalog, policy: str, path: str, body: bytes) -> tuple[Any, Stack]:
    if policy not in _STACKS:
        _STACKS[policy] = Stack(catalog, policy)
    stack = _STACKS[policy]
    stack.upstream.calls = 0
    return await stack.raw(body, path=path), stack
