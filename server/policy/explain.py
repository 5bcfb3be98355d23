"""How a request fares under a policy, step by step, for a person to read."""

from __future__ import annotations

from typing import Any

from server.errors import ApiError
from server.policy.asked import Asked
from server.policy.case import Case
from server.policy.ruling import HEADER, NO_RULE, Ruling
from server.policy.terms import Terms
from server.policy.unheld import unheld
from server.routes import STEERABLE, makes_no_text


def explain(case: Case) -> dict[str, Any]:
    """What the server would do, and why; JSON.

    Args:
        case: the request, not yet decided.

    Returns:
        `rule`; `passed_over`, the earlier rules with why not; `sources`, each with the language it
        named and the profile; `result`: passes, steered, unsteered, exempt or refused; `headers` of
        the answer; `monitor`, how its language is judged, and `enforce`, when the model is asked
        again, each None where that does not happen; `error` and its `status`, or None.
    """
    if makes_no_text(case.asked.route):
        return _report(case, "passes", {})
    try:
        ruling = case.rule()
    except ApiError as error:
        headers = {HEADER: case.clause.name if case.clause else NO_RULE}
        return {**_report(case, "refused", headers), "status": error.status, **error.to_body()}
    return {
        **_report(case, ruling.result, _headers(ruling)),
        **_watched(case.asked, ruling),
    }


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
        "monitor": None,
        "enforce": None,
        "status": None,
        "error": None,
    }


def _headers(ruling: Ruling) -> dict[str, str]:
    return {HEADER: ruling.rule, "X-Steering-Profile": ruling.header()}


def _watched(asked: Asked, ruling: Ruling) -> dict[str, Any]:
    terms = ruling.terms
    if terms is None or asked.route not in STEERABLE:
        return {}
    monitor = {"exclude": sorted(terms.exclude), "tolerate": terms.tolerate}
    return {"monitor": monitor, "enforce": _enforced(terms, asked, steered=bool(ruling.applied))}


def _enforced(terms: Terms, asked: Asked, *, steered: bool) -> dict[str, Any] | None:
    """As the middleware does it: only what is steered is held back, and not every form of it."""
    if not terms.enforce or not steered:
        return None
    return {
        "strengths": list(terms.enforce),
        "on": sorted(terms.enforce_on),
        "skipped": unheld(asked.fields) or None,
    }
