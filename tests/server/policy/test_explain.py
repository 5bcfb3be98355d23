from __future__ import annotations

from typing import Any

from server.policy.explain import explain

POLICY = """
version: 1
defaults: {target: [accept-language, {language: ja}]}
rules:
  - {name: batch, when: {route: /v1/completions}, steer: false}
"""


def test_each_step_is_there(case: Any) -> None:
    made = case(POLICY, languages="nl")
    facts = explain(made, "/v1/chat/completions")
    assert facts["rule"] == "defaults"
    assert [each["rule"] for each in facts["passed_over"]] == ["batch"]
    assert [each["source"] for each in facts["sources"]] == ["accept-language", "language ja"]
    assert [bool(each["profile"]) for each in facts["sources"]] == [False, True]
    assert facts["result"] == "steered"
    assert facts["headers"]["X-Steering-Profile"].startswith("ja@")


def test_errors_and_routes_without_text(case: Any) -> None:
    facts = explain(case(POLICY, steering={"target": "de"}), "/v1/chat/completions")
    assert (facts["result"], facts["status"]) == ("refused", 403)
    assert "does not let clients" in facts["error"]["message"]
    facts = explain(case(POLICY, route="/tokenize"), "/tokenize")
    assert (facts["result"], facts["rule"], facts["headers"]) == ("passes", None, {})
