"""Text that the unedited model writes itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from profiles.judging.identify import identify, primary
from profiles.learning.prefixes import Lines, Written, cut, join
from profiles.models.generate import generate, prompt_ids
from profiles.models.model import LoadedModel

_LENGTH = 48  # tokens
_ROWS = 64  # at once
_LINES = 4  # of a prompt, at most
_PROMPT = 600  # characters: lines of a corpus may be paragraphs


def own_text(
    loaded: LoadedModel,
    lines: Lines,
    languages: Sequence[str],
    count: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> dict[str, list[Written]]:
    """What a model goes on with after a few lines of each language.

    An edit that is to leave a language as it is has to do so on all that the model can say in it.
    A corpus may be a few hundred lines of one kind; what the model draws itself is soon of every
    kind it knows, and an edit's divergence on such text is what it costs.

    Args:
        loaded: the model, no edit on.
        lines: text by language, to begin from.
        languages: some of them.
        count: texts a language. One that breaks off at once is left out, and one that went into
            another of the languages of `lines`; a language that keeps less than an eighth is left
            out: these are too few to learn from.
        seed: of what is drawn; the same for the same `languages`.
        progress: called with (tokens done, tokens).
    """
    prompts = [prompt for name in languages for prompt in _prompts(lines[name], name, count, seed)]
    found: list[Written] = []
    for at in range(0, len(prompts), _ROWS):
        part = prompts[at : at + _ROWS]

        def show(step: int, _of: int, before: int = at, rows: int = len(part)) -> None:
            progress(before * _LENGTH + step * rows, len(prompts) * _LENGTH)

        rows = generate(
            loaded, part, tokens=_LENGTH, temperature=1.0, seed=seed + at, progress=show
        )
        found += [
            Written(prompt, _continuation(loaded.tokenizer, prompt, row))
            for prompt, row in zip(part, rows, strict=True)
        ]
    own: dict[str, list[Written]] = {}
    for n, name in enumerate(languages):
        others = {primary(other) for other in lines} - {primary(name)}
        kept = [w for w in found[n * count : (n + 1) * count] if _usable(w.text, others)]
        if kept and len(kept) >= count // 8:
            own[name] = kept
    return own


def _prompts(source: Sequence[str], language: str, count: int, seed: int) -> list[str]:
    rng = random.Random(f"{seed} {language}")
    starts = [rng.randrange(len(source)) for _ in range(count)]
    return [join(source[at : at + rng.randint(1, _LINES)])[-_PROMPT:] for at in starts]


def _usable(text: str, others: AbstractSet[str]) -> bool:
    parted = cut(text, random.Random(0))[1]  # what is of one word cannot be gone on with
    return bool(parted) and identify(text).language not in others


def _continuation(tokenizer: Any, prompt: str, row: Sequence[int]) -> str:
    # Some decoders drop a blank at the beginning of what they are given.
    before = prompt_ids(tokenizer, prompt)
    whole = tokenizer.decode([*before, *row], skip_special_tokens=True)
    text: str = whole[len(tokenizer.decode(before, skip_special_tokens=True)) :]
    # The last token may end within a character.
    return text.rstrip("\ufffd")
