"""What pydantic cannot see: how the parts of a policy file go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from server.languages import LanguageTag
from server.policy.document import DEFAULTS, Document, When
from server.policy.rising import NOT_RISING, rises
from server.policy.terms import Terms, Weighted
from server.shown import shown
from server.yamlfile.finding import Finding
from server.yamlfile.text import Path

_OPEN_END = (
    "requests that meet no rule fall to the defaults, which steer and name neither target nor "
    "suppress: name one, or write `steer: false`, or end the rules with one that has no `when`"
)
_IDLE = "steers and names neither target nor suppress: name one, or write `steer: false`"
_NO_PROMPT = (
    "all edits the prompt too, which is neither reasoning nor answer: with `reasoning` write "
    "`decode`, or leave phase out"
)
_PATTERN = '"*" may stand at the end only, and a route begins with "/"'


def errors(
    document: Document, terms: Sequence[Terms], rest: Terms, max_strength: float
) -> list[Finding]:
    """What makes the file unusable, as (where, what).

    Args:
        document: the file.
        terms: of each rule.
        rest: of the requests that meet no rule.
        max_strength: the largest strength the server allows.
    """
    found = [*_names(document), *_shadowed(document)]
    for i, own in enumerate(terms):
        found += _block(("rules", i), own, max_strength)
    found += _block(("defaults",), rest, max_strength)
    if rest.idle and all(_conditions(rule.when) for rule in document.rules):
        found.append((("defaults",), _OPEN_END))
    return found


def warnings(document: Document, terms: Sequence[Terms]) -> list[Finding]:
    """What is allowed and probably not meant, as (where, what)."""
    used = {name for rule in document.rules for name in rule.when.tenant or ()}
    found: list[Finding] = [
        (("tenants", name), "no rule is for this tenant")
        for name in document.tenants
        if name not in used
    ]
    for i, own in enumerate(terms):
        kinds = [source.kind for source in own.target]
        if "language" in kinds[:-1]:
            fixed = own.target[kinds.index("language")].language
            text = f"sources after {fixed} count only while no profile of {fixed} is loaded"
            found.append((("rules", i, "target"), text))
    return found


def _names(document: Document) -> Iterator[Finding]:
    seen: set[str] = {DEFAULTS}
    for i, rule in enumerate(document.rules):
        if rule.name in seen:
            taken = "is kept for the defaults" if rule.name == DEFAULTS else "is another rule's"
            yield ("rules", i, "name"), f"{rule.name} {taken}: names must differ"
        seen.add(rule.name)
        for tenant in rule.when.tenant or ():
            if tenant not in document.tenants:
                known = ", ".join(document.tenants) or "none"
                text = f"there is no tenant {shown(tenant)}; known are {known}"
                yield ("rules", i, "when", "tenant"), text
        for key in ("model", "route"):
            for pattern in getattr(rule.when, key) or ():
                if "*" in pattern[:-1] or (key == "route" and not pattern.startswith(("/", "*"))):
                    yield ("rules", i, "when", key), f"{shown(pattern)}: {_PATTERN}"
    owner: dict[str, str] = {}
    for name, hashes in document.tenants.items():
        for j, each in enumerate(hashes):
            if each in owner:
                text = f"this key is {owner[each]}'s already: a key belongs to one tenant"
                yield ("tenants", name, j), text
            owner[each] = name


def _shadowed(document: Document) -> Iterator[Finding]:
    for i, rule in enumerate(document.rules):
        for earlier in document.rules[:i]:
            if _catches(earlier.when, rule.when):
                text = f"can never be met: the earlier rule {earlier.name} catches all of it"
                yield ("rules", i), text
                break


def _catches(earlier: When, later: When) -> bool:
    for key, wide in _conditions(earlier).items():
        narrow = getattr(later, key)
        if not narrow or not all(any(_within(n, w) for w in wide) for n in narrow):
            return False
    return True


def _conditions(when: When) -> dict[str, tuple[str, ...]]:
    keys = ("tenant", "model", "route")
    return {key: value for key in keys if (value := getattr(when, key))}


def _within(narrow: str, wide: str) -> bool:
    if wide.endswith("*"):
        return narrow.startswith(wide[:-1])
    return narrow == wide


def _block(place: Path, terms: Terms, max_strength: float) -> Iterator[Finding]:
    if terms.idle and place != ("defaults",):
        yield place, _IDLE
    yield from _strength(place, terms, max_strength)
    yield from _enforce(place, terms)
    sources = [str(source) for source in terms.target]
    if repeated := sorted({each for each in sources if sources.count(each) > 1}):
        yield (*place, "target"), f"{repeated[0]} is there twice"
    if "target" not in terms.overrides and (
        client := [each for each in sources if each in {"field", "header"}]
    ):
        text = (
            f"the source {client[0]} is the client's own choice, and overrides does not let "
            f"clients choose the target: add target to overrides, or take {client[0]} out"
        )
        yield (*place, "target"), text
    for source in terms.target:
        if source.language and terms.denies(LanguageTag.parse(source.language)):
            yield (*place, "target"), f"{source.language} is denied by deny"
    yield from _suppress(place, terms.suppress, max_strength)
    yield from _reasoning(place, terms, max_strength)


def _suppress(place: Path, away: Weighted, max_strength: float) -> Iterator[Finding]:
    seen: set[tuple[str, str, str]] = set()
    for tag, own in away:
        same = (tag.language, tag.script, tag.region)
        if same in seen:
            yield (*place, "suppress"), f"{tag.text} is another spelling of one that is there"
        seen.add(same)
        if own is not None and own > max_strength:
            yield (*place, "suppress", tag.text), _too_strong(own, max_strength)


def _reasoning(place: Path, terms: Terms, max_strength: float) -> Iterator[Finding]:
    if terms.reasoning is None:
        return
    if terms.steer and terms.phase == "all":  # where it exempts, its reasoning never applies
        yield (*place, "phase"), _NO_PROMPT
    where = (*place, "reasoning")
    apart = terms.reasoning
    if apart == "off":
        return
    if apart.target is None and not apart.suppress:
        yield where, "names neither target nor suppress: name one, or write `reasoning: off`"
    yield from _suppress(where, apart.suppress, max_strength)
    for tag, _ in apart.suppress:
        if apart.target is not None and apart.target.distance(tag) is not None:
            yield (*where, "suppress"), f"{tag.text} is the target itself"
    if apart.strength > max_strength:
        yield (*where, "strength"), _too_strong(apart.strength, max_strength)


def _strength(place: Path, terms: Terms, max_strength: float) -> Iterator[Finding]:
    where = (*place, "strength")
    if terms.strongest > max_strength:
        yield (*where, "max"), _too_strong(terms.strongest, max_strength)
    elif terms.weakest > terms.strongest:
        yield where, f"min {terms.weakest:g} is over max {terms.strongest:g}"
    elif not terms.weakest <= terms.strength <= terms.strongest:
        allowed = f"min {terms.weakest:g} and max {terms.strongest:g}"
        yield where, f"default {terms.strength:g} is not within {allowed}"


def _enforce(place: Path, terms: Terms) -> Iterator[Finding]:
    where = (*place, "enforce", "strengths")
    if not rises(terms.enforce):
        yield where, NOT_RISING
    for each in terms.enforce:
        if each > terms.strongest:
            yield where, f"{each:g} is over the rule's strength.max, {terms.strongest:g}"
            break


def _too_strong(value: float, max_strength: float) -> str:
    return f"{value:g} is over the server's --max-strength, {max_strength:g}"
