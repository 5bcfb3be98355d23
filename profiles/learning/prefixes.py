"""What offsets learn from: a context, then text to be continued with. Pure, no model.

In use a steered request can begin anywhere: from nothing, after a foreign sentence, in the middle
of one, after foreign paragraphs or a foreign user's turn. Learning sees all of these, in about the
shares below.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

Role = Literal["target", "suppress"]
# (the user's turn, system prompt or None) → the conversation up to the answer.
Turn = Callable[[str, str | None], str]
# Text by language.
Lines = Mapping[str, Sequence[str]]


class Written(NamedTuple):
    """What the unedited model went on with, and after which prompt, in one language."""

    prompt: str
    text: str


# By language.
Own = Mapping[str, Sequence[Written]]
Kind = Literal["nothing", "sentence", "cut", "paragraph", "turn", "same"]

# Shares of the kinds of context. "cut" is the hardest to switch in and so the commonest. "same" is
# text that goes on in its own language and is to stay as it is: the target's, deep in a text that
# has long been in it, or the languages that are not suppressed.
SHARES: Mapping[Role, Mapping[Kind, float]] = {
    "target": {"nothing": 0.09, "sentence": 0.12, "cut": 0.27, "paragraph": 0.12, "same": 0.4},
    "suppress": {"nothing": 0.08, "sentence": 0.12, "cut": 0.18, "paragraph": 0.12, "same": 0.5},
}
# Share of "same" that has nothing before it, where a language is suppressed: the others' text from
# its first word. Towards a target that is what is to change.
_FROM_NOTHING = 0.25
_CONTEXT = 5  # lines at most
# Share of "turn", a user's turn in the model's chat template, where it has one; the other kinds
# share the rest.
TURN_SHARE = 0.25
# English is the language most prompts and most models' habits are in: its share of the contexts
# of a target language, where the corpus has it.
ENGLISH_SHARE = 0.35
SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a careful assistant. Keep answers short and say so when you are not sure.",
    "Answer the user's question from what you know.",
)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One training example.

    Attributes:
        kind: which kind of context it is.
        prefix: the context, "" for none; carries no loss.
        text: the continuation to be learned, with the blank or newline that joins it, if any.
    """

    kind: Kind
    prefix: str
    text: str


def sample(
    lines: Lines,
    language: str,
    role: Role,
    count: int,
    rng: random.Random,
    turn: Turn | None = None,
    own: Own = MappingProxyType({}),
) -> list[Example]:
    """`count` examples for steering towards `language` ("target") or away from it ("suppress").

    Args:
        lines: text by language; where line n of one language translates line n of another, no
            text follows its own translation.
        language: one of them.
        role: "target" or "suppress".
        count: how many examples.
        rng: draws them.
        turn: puts a user's turn, perhaps after a system prompt, into the model's chat template,
            up to where the answer begins; None for a model without one.
        own: what the unedited model writes itself, by language; text that goes on in a language is
            of that, where there is any.
    """
    given: dict[Kind, float] = dict(SHARES[role])
    if turn is not None:
        given = {kind: (1 - TURN_SHARE) * share for kind, share in given.items()}
        given["turn"] = TURN_SHARE
    kinds, shares = list(given), list(given.values())
    # Systematic sampling: every list of examples has nearly the exact shares.
    start = rng.random()
    edges = [sum(shares[: i + 1]) * count for i in range(len(shares))]
    chosen = [kinds[_first_above(edges, n + start)] for n in range(count)]
    rng.shuffle(chosen)
    return [_example(lines, language, role, kind, rng, turn, own) for kind in chosen]


def _first_above(edges: Sequence[float], value: float) -> int:
    return next((i for i, edge in enumerate(edges) if value < edge), len(edges) - 1)


def _example(
    lines: Lines,
    language: str,
    role: Role,
    kind: Kind,
    rng: random.Random,
    turn: Turn | None,
    own: Own,
) -> Example:
    others = [name for name in lines if name != language]
    foreign = _foreign(others, rng) if role == "target" else rng.choice(others)
    source, goal = (foreign, language) if role == "target" else (language, foreign)
    if kind == "same":
        return _same(lines[goal], role, rng, own.get(goal, ()))
    before, after = lines[source], lines[goal]
    at = rng.randrange(len(before))
    # The translation of a line of the context would teach translating instead of switching.
    reach = min(_CONTEXT, len(after) - 1)
    start = (at + reach + rng.randrange(max(1, len(after) - reach - 1))) % len(after)
    # Going on into the next line teaches what follows the end of a sentence.
    text = join(after[start : start + 2])
    if kind == "nothing":
        return Example(kind=kind, prefix="", text=text)
    if kind == "turn" and turn is not None:
        asked = join(before[at : at + rng.randint(1, 2)])
        # A system prompt is mostly in English, whatever the user writes.
        system = rng.choice(SYSTEM_PROMPTS) if rng.random() < 0.5 else None
        prefix = turn(asked, system)
        if not prefix[-1:].isspace() and spaced(after[start]):
            text = f" {text}"
        return Example(kind=kind, prefix=prefix, text=text)
    if kind == "paragraph":
        paragraph = join(before[at : at + rng.randint(2, _CONTEXT)])
        return Example(kind=kind, prefix=paragraph + "\n\n", text=text)
    if kind == "sentence":
        # The line break may be the prompt's last character or the first the model writes.
        brk = rng.choice(["\n", "\n\n", " "])
        prefix, text = (before[at], brk + text) if brk == " " else (before[at] + brk, text)
        return Example(kind=kind, prefix=prefix, text=text)
    return _cut_example(before[at], after[start], text, rng)


def _cut_example(before: str, line: str, text: str, rng: random.Random) -> Example:
    head, _ = cut(before, rng)
    if rng.random() < 0.5:
        # Go on as a sentence would: from the middle of a line, its end and the next line.
        _, tail = cut(line, rng)
        text = tail.lstrip() + text[len(line) :]
    return Example(kind="cut", prefix=head, text=(" " if spaced(line) else "") + text)


def _same(lines: Sequence[str], role: Role, rng: random.Random, own: Sequence[Written]) -> Example:
    """What the model wrote itself, parted anywhere in it.

    Without any: a few lines in a row, parted before the last of them or within the one before it.
    """
    from_nothing = role == "suppress" and rng.random() < _FROM_NOTHING
    if own and not from_nothing:
        prompt, written = rng.choice(own)
        head, tail = cut(written, rng)
        return Example(kind="same", prefix=prompt + head, text=tail)
    at = rng.randrange(len(lines))
    if from_nothing:
        return Example(kind="same", prefix="", text=join(lines[at : at + 2]))
    run = lines[at : at + rng.randint(2, _CONTEXT)]
    parted = max(0, len(run) - 2)
    whole = len(run) > 1 and rng.random() < 0.5
    head, tail = (run[parted], "") if whole else cut(run[parted], rng)
    gap = " " if spaced(run[0]) else ""
    text = gap.join([tail, *run[parted + 1 :]])
    return Example(kind="same", prefix=join([*run[:parted], head]), text=text)


def _foreign(others: Sequence[str], rng: random.Random) -> str:
    if "en" in others and (len(others) == 1 or rng.random() < ENGLISH_SHARE):
        return "en"
    return rng.choice([name for name in others if name != "en"])


def spaced(line: str) -> bool:
    """Whether the line's language puts blanks between words (Chinese and Japanese do not)."""
    return len(line) < 12 * (line.count(" ") + 1)


def cut(line: str, rng: random.Random) -> tuple[str, str]:
    """The line in two, cut between words, or between characters where no blanks are written.

    The second part keeps the blank it begins with. Either may be empty only if the line has a
    single unit.
    """
    units = re.findall(r"\s*\S+", line) if spaced(line) else list(line)
    if len(units) < 2:
        return line, ""
    at = rng.randint(1, len(units) - 1)
    return "".join(units[:at]), "".join(units[at:])


def join(lines: Sequence[str]) -> str:
    """Lines of one language as a text, with blanks between them where the language has any."""
    return (" " if spaced(lines[0]) else "").join(lines)
