from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings

from server.applied import AppliedSteering
from server.catalog import Catalog
from server.errors import ApiError
from server.languages import LanguageTag
from server.policy.asked import Asked
from server.policy.book import Book, Clause
from server.policy.case import Case
from server.policy.explain import explain
from server.policy.ruling import Ruling
from server.routes import STEERABLE
from steering.request import SteeringRequest
from tests.server.policy.policies import books, requests

many = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ruled(book: Book, asked: Asked, catalog: Catalog) -> tuple[Case, Ruling | ApiError]:
    case = Case(book, asked, catalog, max_strength=8.0, default_model="m")
    try:
        return case, case.rule()
    except ApiError as error:  # anything else fails the test
        return case, error


@many
@given(book=books(), asked=requests())
def test_what_a_rule_steers_is_steered_or_refused_or_says_that_it_is_not(
    catalog: Catalog, book: Book, asked: Asked
) -> None:
    case, found = ruled(book, asked, catalog)
    if isinstance(found, ApiError):
        assert found.status in {400, 403}
        assert len(str(found)) < 1200
        return
    assert case.clause
    terms = case.clause.terms
    assert found.header().isascii()
    if asked.route not in STEERABLE or found.reason == "exempt":
        assert found.applied is None
        assert not terms.steer
    elif found.applied is None:
        assert (terms.steer, terms.missing) == (True, "unsteered")
        assert found.reason
    elif terms.steer and terms.target and found.applied.target is None:
        assert (terms.missing, bool(found.reason)) == ("unsteered", True)
    if found.applied is not None:
        assert SteeringRequest.from_extra_args(found.applied.request().to_extra_args())
        assert not asked.fields.get("use_beam_search")


@many
@given(book=books(), asked=requests())
def test_no_client_gets_what_the_rule_forbids(catalog: Catalog, book: Book, asked: Asked) -> None:
    case, found = ruled(book, asked, catalog)
    if isinstance(found, ApiError) or asked.route not in STEERABLE:
        return
    assert case.clause
    terms = case.clause.terms
    wish = asked.fields.get("steering") or {}
    assert isinstance(wish, dict)
    given = {key for key, value in wish.items() if value is not None}
    assert given <= terms.overrides
    if asked.target_header:
        assert "target" in terms.overrides
    if found.applied is None:
        return
    applied = found.applied
    if applied.target is not None:
        assert not terms.denies(applied.target.tag)
    if "strength" in given:
        assert terms.weakest <= applied.strength <= terms.strongest
        assert applied.strength == wish["strength"]
        assert applied.target or applied.suppress or found.reason
    else:
        assert applied.strength == terms.strength
    if applied.reasoning is not None:
        assert applied.phase == "decode"
        assert terms.phase != "all" or "phase" in terms.overrides
    else:
        assert applied.phase == (wish["phase"] if "phase" in given else terms.phase or "all")
    _reasoning_stands(case.clause, found, given)
    _suppression_stands(case.clause, found, catalog)
    _fixed_stays(case.clause, found)


def _reasoning_stands(clause: Clause, found: Ruling, given: set[str]) -> None:
    """The rule's, unless the client may say and does; a client's keeps within the rule."""
    assert found.applied
    terms, apart = clause.terms, found.applied.reasoning
    if "reasoning" in given:
        if isinstance(apart, AppliedSteering):
            assert terms.weakest <= apart.strength <= terms.strongest
            assert apart.target is None or not terms.denies(apart.target.tag)
    elif not terms.steer or terms.reasoning is None:
        assert apart is None
    elif terms.reasoning == "off":
        assert apart == "off"
    elif apart == "off":
        assert (terms.missing, "no-reasoning-profile" in found.reason) == ("unsteered", True)
    else:
        assert isinstance(apart, AppliedSteering)
        assert apart.strength == terms.reasoning.strength


def _suppression_stands(clause: Clause, found: Ruling, catalog: Catalog) -> None:
    """What the policy suppresses is suppressed, but the target and what no profile can."""
    assert found.applied
    names = {entry.name for entry in found.applied.suppress}
    target = found.applied.target
    for tag, own in clause.terms.suppress if clause.terms.steer else ():
        entry = catalog.nearest(tag, "suppress")
        if target is not None and target.tag.distance(tag) is not None:
            continue
        if entry is None or not entry.has("suppress"):
            assert clause.terms.missing == "unsteered"
            assert tag.text in found.reason
            continue
        assert entry.name in names
        strengths = dict(
            zip(found.applied.suppress, found.applied.suppress_strengths, strict=False)
        )
        alone = sum(catalog.nearest(t, "suppress") is entry for t, _ in clause.terms.suppress) == 1
        if own is not None and alone:
            assert strengths.get(entry, found.applied.strength) == own


def _fixed_stays(clause: Clause, found: Ruling) -> None:
    """A rule that only has one language answers in no other."""
    sources = clause.terms.target
    if found.applied and found.applied.target and len(sources) == 1 and sources[0].language:
        fixed = LanguageTag.parse(sources[0].language)
        assert fixed.distance(found.applied.target.tag) is not None


@many
@given(book=books(), asked=requests())
def test_what_is_explained_is_what_is_done(catalog: Catalog, book: Book, asked: Asked) -> None:
    case, found = ruled(book, asked, catalog)
    again = Case(book, asked, catalog, max_strength=8.0, default_model="m")
    facts = explain(again)
    json.dumps(facts)
    if isinstance(found, ApiError):
        assert facts["result"] == "refused"
        assert facts["error"] == found.to_body()["error"]
        assert facts["status"] == found.status
    else:
        assert facts["result"] == found.result
        assert facts["headers"]["X-Steering-Profile"] == found.header()
    rule = case.clause.name if case.clause else None
    assert facts["rule"] == rule
    assert facts["headers"]["X-Steering-Policy"] == (rule or "-")


@many
@given(book=books(), asked=requests())
def test_the_first_rule_whose_conditions_hold_is_met(
    catalog: Catalog, book: Book, asked: Asked
) -> None:
    case, _ = ruled(book, asked, catalog)
    if case.clause is None:
        return
    steerable = asked.route in STEERABLE
    model = (asked.fields.get("model") or "m") if steerable else None
    tenant = next(iter(asked.tenants), None)
    for clause in book.clauses:
        when = clause.when
        holds = (
            (when.tenant is None or tenant in when.tenant)
            and (when.route is None or any(_like(asked.route, each) for each in when.route))
            and (
                when.model is None
                or (
                    clause.terms.steer
                    if model is None
                    else any(_like(model, e) for e in when.model)
                )
            )
        )
        if holds:
            assert clause is case.clause
            return


def _like(value: str, pattern: str) -> bool:
    return value.startswith(pattern[:-1]) if pattern[-1] == "*" else value == pattern
