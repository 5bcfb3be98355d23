"""Options that leave nothing to measure, or change nothing: found before a model is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from profiles.errors import LangsteerError
from profiles.judging.condition import CONDITIONS, Scene, SkippedError, of_role
from profiles.judging.options import Options
from profiles.judging.text import EvaluationText

_WRITING = ("--samples", "--temperature", "--seed", "--batch", "--phase")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the command line chose.

    Attributes:
        options: see `Options`.
        given: the options it names itself, e.g. "--plots".
        model, server, out: whether there is one.
    """

    options: Options
    given: frozenset[str]
    model: bool
    server: bool
    out: bool

    @property
    def writes(self) -> bool:
        """Whether any condition has something written."""
        options = self.options
        return any(of_role(role, options.conditions) for role in options.roles)


def complaint(choice: Choice) -> tuple[str, str] | None:
    """The first option that is wrong in this combination, and why; None where all is well."""
    return _idle_condition(choice) or _nothing(choice) or next(_without_effect(choice), None)


def check_applies(
    plan: Mapping[str, Sequence[str]], text: EvaluationText, options: Options
) -> None:
    """See to it that a condition applies, where only conditions measure something.

    Args:
        plan: languages that are judged, by role.
        text: the evaluation text.
        options: see `Options`.

    Raises:
        LangsteerError: none does; says why.
    """
    reasons = []
    for role, tags in plan.items():
        for name in of_role(role, options.conditions):
            reason = _applies(name, tags, text) if tags else f"no profile has an edit for {role}"
            if reason is None:
                return
            reasons.append(f"{name}: {reason}")
    raise LangsteerError(
        f"nothing to measure: {'; '.join(reasons)}; name other --conditions, or let --held-out "
        "read natural text"
    )


def _applies(name: str, tags: Sequence[str], text: EvaluationText) -> str | None:
    """Why a condition applies to none of the languages; None where it does to one."""
    condition, reason = CONDITIONS[name], None
    for tag in tags:
        denied = tag if condition.suppressing else None
        try:
            condition.rows(Scene(text=text, count=1, has_chat=True, denied=denied))
        except SkippedError as error:
            reason = str(error)
        else:
            return None
    return reason


def _idle_condition(choice: Choice) -> tuple[str, str] | None:
    options = choice.options
    if set(options.conditions) == set(CONDITIONS) or "--conditions" not in choice.given:
        return None
    for name in options.conditions:
        if not any(of_role(role, [name]) for role in options.roles):
            other = "suppress" if "target" in options.roles else "target"
            return "--conditions", (
                f"{name} is not measured with --roles {','.join(options.roles)}; leave it out, or "
                f"add {other} to --roles"
            )
    return None


def _nothing(choice: Choice) -> tuple[str, str] | None:
    if choice.writes or (choice.options.held_out and not choice.server):
        return None
    remedy = "name conditions"
    if choice.server:
        why = "a server is judged by what it writes alone"
    else:
        why = "--held-out 0 reads no natural text either"
        remedy += ", or let --held-out read some"
    return "--conditions", f"none leaves nothing to measure: {why}; {remedy}"


def _without_effect(choice: Choice) -> Iterator[tuple[str, str]]:
    rules: list[tuple[str, bool, str]] = [
        ("--plots", choice.out, "draws into --out; give it too"),
        ("--resume", choice.out, "goes on from what --out holds; give it too"),
        ("--overwrite", choice.out, "replaces what --out holds; give it too"),
        ("--api-key", choice.server, "is a server's; give --server too"),
        (
            "--embedder",
            choice.options.translates,
            "compares translations; add translate to --conditions, and target to --roles",
        ),
        ("--precision", choice.model, "is MODEL's; give it too"),
        (
            "--down-projection",
            choice.model and not choice.server,
            "says where MODEL is edited, and a server edits by itself; leave it out",
        ),
        (
            "--held-out",
            choice.model or not choice.options.held_out,
            "reads natural text with MODEL; give it too",
        ),
        *((name, choice.writes, "is of what is written; name --conditions") for name in _WRITING),
    ]
    for name, has_effect, why in rules:
        if name in choice.given and not has_effect:
            yield name, f"has no effect here: it {why}"
