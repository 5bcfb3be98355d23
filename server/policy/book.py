"""A loaded policy: which rule a request meets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from server.catalog import Catalog, Role
from server.keyring import Keyring
from server.languages import LanguageTag
from server.policy.document import Document, When
from server.policy.terms import ReasoningTerms, Terms
from server.shown import shown


@dataclass(frozen=True, kw_only=True)
class Clause:
    """A rule, or the defaults, ready for use."""

    name: str
    when: When
    terms: Terms

    def why_not(self, tenant: str | None, model: str | None, route: str) -> str:
        """Why a request does not meet it; "" where it does.

        Args:
            tenant: whose key it came with; None where nobody's.
            model: its `model`; None where that is not known. Then a rule for a model is met if
                it demands steering, and is not if it exempts: not to name one wins nothing.
            route: its path.
        """
        when = self.when
        if when.tenant and tenant not in when.tenant:
            return f"tenant is {tenant or 'none'}, not {' or '.join(when.tenant)}"
        if when.route and not fits(route, when.route):
            return f"route is {shown(route)}, not {' or '.join(when.route)}"
        if when.model and model is None and not self.terms.steer:
            return "the model is not known, and this rule exempts"
        if when.model and model is not None and not fits(model, when.model):
            return f"model is {shown(model)}, not {' or '.join(when.model)}"
        return ""


@dataclass(frozen=True, kw_only=True)
class Book:
    """An immutable policy: a reload replaces it whole, so a request sees one.

    Attributes:
        clauses: the rules in order, and at last the defaults, which everything meets.
        tenants: who has which key.
        document: as it was read.
        digest: of the file's bytes, hexadecimal.
        warnings: what is allowed and probably not meant.
    """

    clauses: tuple[Clause, ...]
    tenants: Keyring
    document: Document
    digest: str
    warnings: tuple[str, ...]

    def choose(
        self, tenant: str | None, model: str | None, route: str
    ) -> tuple[Clause, list[tuple[str, str]]]:
        """(the first that the request meets, the earlier ones' names and why they are not)."""
        passed: list[tuple[str, str]] = []
        for clause in self.clauses:
            if not (why := clause.why_not(tenant, model, route)):
                return clause, passed
            passed.append((clause.name, why))
        raise AssertionError("the defaults have no conditions")

    @cached_property
    def identifies(self) -> bool:
        """Whether any rule needs to know what language a text is in before it is answered."""
        return any(
            c.terms.enforce or any(source.kind == "detect" for source in c.terms.target)
            for c in self.clauses
        )

    @property
    def parts(self) -> list[str]:
        """Names of the rules that steer the reasoning apart from the answer."""
        return [c.name for c in self.clauses if c.terms.steer and c.terms.reasoning is not None]

    def unmet(self, catalog: Catalog) -> list[str]:
        """Languages the policy names and no profile on offer can give, one text each."""
        found: dict[str, None] = {}
        for name, tag, role in self._named():
            entry = catalog.nearest(tag, role)
            if entry is None or not entry.has(role):
                edit = "towards" if role == "target" else "away from"
                found[f"{name}: no profile steers {edit} {tag.text}"] = None
        return list(found)

    def _named(self) -> Iterator[tuple[str, LanguageTag, Role]]:
        for clause in self.clauses:
            if not clause.terms.steer:
                continue
            for source in clause.terms.target:
                if source.language:
                    yield clause.name, LanguageTag.parse(source.language), "target"
            for tag, _ in clause.terms.suppress:
                yield clause.name, tag, "suppress"
            if isinstance(apart := clause.terms.reasoning, ReasoningTerms):
                if apart.target:
                    yield clause.name, apart.target, "target"
                for tag, _ in apart.suppress:
                    yield clause.name, tag, "suppress"


def fits(value: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns is `value`, or ends in "*" and is how it begins."""
    return any(
        value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern
        for pattern in patterns
    )
