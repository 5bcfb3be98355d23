"""One request before the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from server.applied import AppliedSteering, Away, Reasoning
from server.catalog import Catalog, Entry
from server.decide import refuse_lookalikes, refuse_options, refuse_reasoning
from server.errors import PolicyError
from server.policy.asked import Asked
from server.policy.book import Book, Clause
from server.policy.client import Client
from server.policy.ruling import EXEMPT, Ruling
from server.policy.sources import Tried, gravest, try_source
from server.policy.terms import ReasoningTerms, Weighted
from server.routes import STEERABLE
from server.shown import shown
from server.wish import FIELD
from steering.request import MAX_SUPPRESS


class Case:
    """From what was asked to a ruling; keeps how it came about, also where it is an error.

    Args:
        book: the policy.
        asked: the request.
        catalog: the profiles on offer.
        max_strength: the largest strength the server allows.
        default_model: what the server takes a request without `model` to mean; "" if unknown.
        no_reasoning: why reasoning cannot be steered apart on this server; "" where it can.

    Attributes:
        asked: the request.
        clause: the rule that is met; None until it is known.
        passed: the earlier rules, and why they are not.
        tried: the sources that were asked, in order.
    """

    def __init__(
        self,
        book: Book,
        asked: Asked,
        catalog: Catalog,
        *,
        max_strength: float,
        default_model: str = "",
        no_reasoning: str = "",
    ) -> None:
        self._book = book
        self.asked = asked
        self._catalog = catalog
        self._max_strength = max_strength
        self._default_model = default_model
        self._no_reasoning = no_reasoning
        self.clause: Clause | None = None
        self.passed: list[tuple[str, str]] = []
        self.tried: list[Tried] = []

    def rule(self) -> Ruling:
        """Decide.

        Raises:
            ApiError: the request is refused. Never anything else.
        """
        asked = self.asked
        clause, self.passed = self._book.choose(self._tenant(), self._model(), asked.route)
        self.clause = clause
        exempt = self._ruling(clause, None, EXEMPT)
        refuse_lookalikes(asked.fields)
        if asked.route not in STEERABLE:
            if not clause.terms.steer:
                return exempt
            raise PolicyError(
                f"requests to {shown(asked.route)} cannot be steered, and the policy's rule "
                f"{clause.name} serves nothing unsteered; these can be: "
                f"{', '.join(sorted(STEERABLE))}",
                reason="unsupported_path",
            )
        if not isinstance(asked.body, Mapping):
            raise PolicyError(
                "under a policy a request's body must be a JSON object", reason="malformed_body"
            )
        client = Client(clause, asked, self._catalog, self._max_strength)
        if not clause.terms.steer and not client.asks:
            return exempt
        refuse_options(asked.fields)
        return self._steered(clause, client, asked.fields)

    def _ruling(self, clause: Clause, applied: AppliedSteering | None, reason: str) -> Ruling:
        return Ruling(
            rule=clause.name,
            applied=applied,
            reason=reason,
            terms=clause.terms,
            tenant=self._tenant() or "",
        )

    def _tenant(self) -> str | None:
        tenants = sorted(self.asked.tenants)
        if len(tenants) > 1:
            raise PolicyError(
                f"the request came with keys of several tenants: {', '.join(tenants)}",
                param="authorization",
                reason="conflict",
            )
        return tenants[0] if tenants else None

    def _model(self) -> str | None:
        """The request's model; None where it cannot be known."""
        if self.asked.route not in STEERABLE:
            return None
        model: Any = self.asked.fields.get("model")
        if model is not None and not isinstance(model, str):
            raise PolicyError(
                f"model is {shown(model)}, must be a name", param="model", reason="bad_type"
            )
        return model or self._default_model or None

    def _steered(self, clause: Clause, client: Client, fields: Mapping[str, Any]) -> Ruling:
        terms = clause.terms
        decided = self._decided(clause, client)
        target = client.agreed(decided)
        own, lacking = self._suppressed(terms.suppress if terms.steer else (), target)
        away = client.suppress(target, own)
        if len(away) > MAX_SUPPRESS:
            raise PolicyError(
                f"request and policy suppress {len(away)} languages, at most {MAX_SUPPRESS} go "
                "together",
                param=f"{FIELD}.suppress",
                reason="bad_value",
            )
        reasons: list[str] = []
        if terms.steer and terms.target and target is None:
            if terms.missing == "refuse":
                raise self._no_language(clause)
            reasons.append(gravest(self.tried))
        if lacking:
            reasons.append(f"no-suppress-profile:{'+'.join(lacking)}")
        if lacking and terms.missing == "refuse":
            raise PolicyError(
                f"the policy's rule {clause.name} suppresses {', '.join(lacking)}, which no loaded "
                f"profile can; available are {self._catalog.languages()}",
                reason="unknown_language",
            )
        lacks = bool(reasons)
        reasoning = self._reasoning(clause, client, reasons)
        if target is None and not away and not isinstance(reasoning, AppliedSteering):
            if not terms.steer:
                raise client.nothing()
            if not reasons:  # the rule steers the reasoning only, and the client undoes that
                raise client.nothing_left()
            return self._ruling(clause, None, ",".join(reasons))
        strength, phase = client.strength(target, away, lacks=lacks), client.phase(reasoning)
        applied = replace(AppliedSteering.of(target, away, strength, phase), reasoning=reasoning)
        refuse_reasoning(applied, self._no_reasoning, fields)
        return self._ruling(clause, applied, ",".join(reasons))

    def _reasoning(self, clause: Clause, client: Client, reasons: list[str]) -> Reasoning:
        """How the reasoning is steered; what of it cannot be had is added to `reasons`."""
        terms = clause.terms
        if client.sets_reasoning:
            return client.reasoning()
        if not terms.steer or not isinstance(apart := terms.reasoning, ReasoningTerms):
            return terms.reasoning if terms.steer and terms.reasoning == "off" else None
        target = self._catalog.nearest(apart.target, "target") if apart.target else None
        if target is not None and not target.has("target"):
            target = None
        away, lacking = self._suppressed(apart.suppress, target)
        if apart.target and target is None:
            lacking = [apart.target.text, *lacking]
        if lacking and terms.missing == "refuse":
            raise PolicyError(
                f"the policy's rule {clause.name} steers the reasoning by {', '.join(lacking)}, "
                "which no loaded profile can; available are " + self._catalog.languages(),
                reason="unknown_language",
            )
        if lacking:
            reasons.append(f"no-reasoning-profile:{'+'.join(lacking)}")
        if target is None and not away:
            return "off"
        by_name = tuple(away[name] for name in sorted(away))
        return AppliedSteering.of(target, by_name, apart.strength, "decode")

    def _decided(self, clause: Clause, client: Client) -> Entry | None:
        """The profile of the first source that names one."""
        for source in clause.terms.target:
            if source.kind in {"field", "header"}:
                tried = client.source(source.kind)
            elif clause.terms.steer:
                tried = try_source(source, self.asked, clause.terms, self._catalog)
            else:
                continue  # exempt: the policy itself wants nothing
            self.tried.append(tried)
            if tried.entry is not None:
                return tried.entry
        return None

    def _suppressed(
        self, wanted: Weighted, target: Entry | None
    ) -> tuple[dict[str, Away], list[str]]:
        """(what the policy suppresses in this request, by name; the tags that it cannot)."""
        found: dict[str, Away] = {}
        lacking: list[str] = []
        for tag, strength in wanted:
            if target is not None and target.tag.distance(tag) is not None:
                continue
            entry = self._catalog.nearest(tag, "suppress")
            if entry is None or not entry.has("suppress"):
                lacking.append(tag.text)
            else:
                found.setdefault(entry.name, (entry, strength))
        return found, lacking

    def _no_language(self, clause: Clause) -> PolicyError:
        said = "; ".join(f"{tried.source}: {tried.note}" for tried in self.tried)
        return PolicyError(
            f"the policy's rule {clause.name} finds no language to answer in ({said[:400]}); "
            f"available are {self._catalog.languages()}",
            reason="no_language",
        )
