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
    facts = explain(made)
    assert facts["rule"] == "defaults"
    assert [each["rule"] for each in facts["passed_over"]] == ["batch"]
    assert [each["source"] for each in facts["sources"]] == ["accept-language", "language ja"]
    assert [bool(each["profile"]) for each in facts["sources"]] == [False, True]
    assert facts["result"] == "steered"
    assert facts["headers"]["X-Steering-Profile"].startswith("ja@")


def test_errors_and_routes_without_text(case: Any) -> None:
    facts = explain(case(POLICY, steering={"target": "de"}))
    assert (facts["result"], facts["status"]) == ("refused", 403)
    assert "does not let clients" in facts["error"]["message"]
    facts = explain(case(POLICY, route="/tokenize"))
    assert (facts["result"], facts["rule"], facts["headers"]) == ("passes", None, {})


WATCHED = """
version: 1
defaults:
  target: [{language: ja}]
  monitor: {exclude: [names], tolerate: 0.2}
  enforce: {strengths: [2, 3], on: [miss, mixed]}
rules:
  - {name: batch, when: {route: /v1/completions}, steer: false}
"""


def test_how_the_answer_is_judged_and_when_it_is_asked_for_again(case: Any) -> None:
    facts = explain(case(WATCHED))
    assert facts["monitor"] == {"exclude": ["names"], "tolerate": 0.2}
    assert facts["enforce"] == {"strengths": [2, 3], "on": ["miss", "mixed"], "skipped": None}
    assert explain(case(WATCHED, stream=True))["enforce"]["skipped"] == "stream"
    # What is exempt is judged and never asked for again; what is refused is neither.
    exempt = explain(case(WATCHED, route="/v1/completions"))
    assert (exempt["enforce"], bool(exempt["monitor"])) == (None, True)
    refused = explain(case(WATCHED, use_beam_search=True))
    assert (refused["enforce"], refused["monitor"]) == (None, None)
