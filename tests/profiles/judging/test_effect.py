"""Options that would change nothing are refused; none of this loads anything."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.errors import LangsteerError
from profiles.judging.condition import CONDITIONS
from profiles.judging.effect import Choice, check_applies, complaint
from profiles.judging.options import Options
from profiles.judging.text import EvaluationText


def choose(*given: str, model: bool = True, server: bool = False, **options: Any) -> Choice:
    return Choice(
        options=Options(**options),
        given=frozenset(given),
        model=model,
        server=server,
        out=False,
    )


@pytest.mark.parametrize(
    "choice",
    [
        choose(),
        choose(model=False, server=True),
        choose("--conditions", conditions=()),  # the perplexity of natural text
        choose("--conditions", conditions=("bos",), held_out=0),
        choose("--conditions", conditions=tuple(CONDITIONS), roles=("suppress",)),
        choose("--embedder", conditions=("translate",)),
        choose("--api-key", "--precision", server=True),
        choose("--down-projection", "--held-out"),
        choose("--held-out", model=False, server=True, held_out=0),
    ],
)
def test_well_chosen(choice: Choice) -> None:
    assert complaint(choice) is None


@pytest.mark.parametrize(
    ("choice", "option", "why"),
    [
        (choose(conditions=(), held_out=0), "--conditions", "nothing to measure: --held-out 0"),
        (choose(conditions=(), server=True), "--conditions", "what it writes alone"),
        (
            choose("--conditions", conditions=("bos", "other"), roles=("suppress",)),
            "--conditions",
            "other is not measured with --roles suppress; leave it out, or add target",
        ),
        (
            choose("--conditions", conditions=("denied-mid",), roles=("target",)),
            "--conditions",
            "add suppress to --roles",
        ),
        (choose("--embedder"), "--embedder", "add translate to --conditions"),
        (
            choose("--embedder", conditions=tuple(CONDITIONS), roles=("suppress",)),
            "--embedder",
            "target to --roles",
        ),
        (choose("--plots"), "--plots", "draws into --out"),
        (choose("--resume"), "--resume", "what --out holds"),
        (choose("--overwrite"), "--overwrite", "what --out holds"),
        (choose("--api-key"), "--api-key", "give --server too"),
        (choose("--precision", model=False, server=True), "--precision", "is MODEL's"),
        (choose("--down-projection", server=True), "--down-projection", "leave it out"),
        (choose("--held-out", model=False, server=True), "--held-out", "with MODEL"),
        *(
            (choose(name, conditions=()), name, "name --conditions")
            for name in ("--samples", "--temperature", "--seed", "--batch", "--phase")
        ),
    ],
)
def test_without_effect(choice: Choice, option: str, why: str) -> None:
    found = complaint(choice)
    assert found is not None
    assert found[0] == option
    assert why in found[1]


def test_text_lines_choose_from_the_passages_too() -> None:
    from profiles.judging.text import read_text

    assert read_text(None, (3, 9)).sentences("en") == read_text().sentences("en")[3:9]


LINES = {tag: ["a b c"] * 3 for tag in ("en", "de")}
TEXT = EvaluationText(source="made up", lines=LINES)


def test_a_condition_that_applies_is_enough() -> None:
    options = Options(conditions=("other", "denied-mid"))
    check_applies({"target": ["de"], "suppress": ["ko", "de"]}, TEXT, options)


@pytest.mark.parametrize(
    ("conditions", "plan", "message"),
    [
        (("other",), {"target": ["de"]}, "other: made up has fewer than two languages"),
        (("denied-mid",), {"suppress": ["ko"]}, "denied-mid: made up has no text in ko"),
        (("denied-mid",), {"target": ["de"], "suppress": []}, "no profile has an edit for supp"),
    ],
)
def test_conditions_that_do_not_apply(
    conditions: tuple[str, ...], plan: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(LangsteerError, match=f"nothing to measure: .*{message}"):
        check_applies(plan, TEXT, Options(conditions=conditions))
