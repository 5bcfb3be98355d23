"""Answers of the demo, what they show, and how they are written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from server.demo_prompts import Ask

_T = TypeVar("_T")
_WIDTH = 72
COLUMNS = ("prompt", "steering", "answer", "language", "probability")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, with the language it is in.

    Attributes:
        ask: what was asked.
        text: what the model wrote.
        language: tag of the language identified, "und" where it can't be told.
        probability: the identifier's probability of `language`.
        repetitive: whether the text runs in circles.
        applied: what the server says it applied (X-Steering-Profile), or None.
    """

    ask: Ask
    text: str
    language: str
    probability: float
    repetitive: bool
    applied: str | None

    def cells(self) -> tuple[str, ...]:
        """The answer as table cells, in the order of COLUMNS."""
        odds = f"{self.probability:.2f}"
        return (_brief(self.ask.prompt, 40), self.ask.label, _brief(self.text), self.language, odds)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the answers show, as shares between 0 and 1.

    Attributes:
        target: of the answers steered to a language, those in it.
        baseline: of the same prompts' unsteered answers, those in that language by themselves.
        suppressed: of the answers with something suppressed, those not in it; None without any.
        repetitive, repetitive_unsteered: of the steered and the unsteered answers, those that
            run in circles.
        changed: of the steered answers, those that differ from the prompt's unsteered one.
    """

    target: float
    baseline: float
    suppressed: float | None
    repetitive: float
    repetitive_unsteered: float
    changed: float

    @property
    def steered(self) -> bool:
        """Whether steering did anything: answers changed, and more of them are in the target."""
        return self.changed > 0 and self.target > self.baseline

    def line(self) -> str:
        """The closing line."""
        out = (
            f"In the target language: {self.target:.0%} of the steered answers, "
            f"{self.baseline:.0%} of the same prompts unsteered."
        )
        if self.suppressed is not None:
            out += f" Out of the suppressed language: {self.suppressed:.0%}."
        return (
            f"{out} Repetitive: {self.repetitive:.0%} steered, "
            f"{self.repetitive_unsteered:.0%} unsteered."
        )


def findings(answers: Sequence[Answer]) -> Findings:
    """Judge the answers; every steered prompt needs an unsteered answer of the same batch kind."""
    plain = {(a.ask.prompt, a.ask.together): a for a in answers if not a.ask.steering}
    pairs = [(a, plain[a.ask.prompt, a.ask.together]) for a in answers if a.ask.steering]
    aimed = [(a, b) for a, b in pairs if a.ask.target]
    away = [a for a, _ in pairs if a.ask.suppress]
    return Findings(
        target=_share(aimed, lambda p: p[0].language == p[0].ask.target),
        baseline=_share(aimed, lambda p: p[1].language == p[0].ask.target),
        suppressed=_share(away, lambda a: a.language not in a.ask.suppress) if away else None,
        repetitive=_share(pairs, lambda p: p[0].repetitive),
        repetitive_unsteered=_share(list(plain.values()), lambda a: a.repetitive),
        changed=_share(pairs, lambda p: p[0].text != p[1].text),
    )


def table(title: str, answers: Sequence[Answer]) -> Table:
    """The answers for the terminal."""
    out = Table(*COLUMNS, title=title, title_justify="left", box=SIMPLE_HEAD, show_lines=True)
    for answer in answers:
        hit = answer.ask.target == answer.language
        style = "green" if hit else ""
        out.add_row(
            *(Text(cell, style=style if i == 3 else "") for i, cell in enumerate(answer.cells()))
        )
    return out


def write(
    folder: Path, answers: Sequence[Answer], summary: Findings, facts: dict[str, Any]
) -> None:
    """Write demo.md and demo.json into `folder`, whole answers included."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"| {' | '.join(_cell(c) for c in a.cells())} |" for a in answers]
    head = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    lines = ["# langsteer demo", "", *head, *rows, "", summary.line(), ""]
    (folder / "demo.md").write_text("\n".join(lines), encoding="utf-8")
    record = {**facts, "findings": asdict(summary), "answers": [asdict(a) for a in answers]}
    text = json.dumps(record, ensure_ascii=False, indent=1)
    (folder / "demo.json").write_text(text + "\n", encoding="utf-8")


def _share(items: Sequence[_T], holds: Callable[[_T], bool]) -> float:
    return sum(map(holds, items)) / len(items) if items else 0.0


def _brief(text: str, width: int = _WIDTH) -> str:
    line = " ".join(text.split()) or "⏎"
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
