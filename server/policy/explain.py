"""How a request fares under a policy, step by step, for a person to read."""

from __future__ import annotations

from typing import Any

from server.errors import ApiError
from server.policy.case import Case
from server.policy.ruling import HEADER, NO_RULE, Ruling
from server.routes import makes_no_text


def explain(case: Case, route: str) -> dict[str, Any]:
    """What the server would do, and why; JSON.

    Args:
        case: the request, not yet decided.
        route: its path.

    Returns:
        `rule`; `passed_over`, the earlier rules with why not; `sources`, each with the language it
        named and the profile; `result`: passes, steered, unsteered, exempt or refused; `headers` of
        the answer; `error` and its `status`, or None.
    """
    if makes_no_text(route):
        return _report(case, "passes", {})
    try:
        ruling = case.rule()
    except ApiError as error:
        headers = {HEADER: case.clause.name if case.clause else NO_RULE}
        return {**_report(case, "refused", headers), "status": error.status, **error.to_body()}
    return {**_report(case, ruling.result, _headers(ruling))}


def _report(case: Case, result: str, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "rule": case.clause.name if case.clause else None,
        "passed_over": [{"rule": name, "why": why} for name, why in case.passed],
        "sources": [
            {
                "source": tried.source,
                "profile": tried.entry.label if tried.entry else None,
                "note": tried.note,
            }
            for tried in case.tried
        ],
        "result": result,
        "headers": headers,
        "status": None,
        "error": None,
    }


def _headers(ruling: Ruling) -> dict[str, str]:
    return {HEADER: ruling.rule, "X-Steering-Profile": ruling.header()}
