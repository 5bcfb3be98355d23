"""Text that the unedited model writes itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from profiles.judging.identify import identify, primary
from profiles.learning.prefixes import Lines, Written, cut, join
from profiles.models.generate import generate, prompt_ids
from profiles.models.model import LoadedModel

_LENGTH = 48  # tokens
_ROWS = 64  # at once
_LINES = 4  # of a prompt, at most
_FEWEST = 8
_PROMPT = 600  # characters: lines of a corpus may be paragraphs


def own_text(
    loaded: LoadedModel,
    lines: Lines,
    language: str,
    count: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> list[Written]:
    """What a model goes on with after a few lines of a language.

    An edit that is to leave a language as it is has to do so on all that the model can say in it.
    A corpus may be a few hundred lines of one kind; what the model draws itself is soon of every
    kind it knows, and an edit's divergence on such text is what it costs.

    Args:
        loaded: the model, no edit on.
        lines: text by language, to begin from.
        language: one of them.
        count: texts. One that breaks off at once is left out, and one that went into another of
            the languages; less than eight are too few to learn from, and none is returned.
        seed: of what is drawn; the same whatever other languages there are profiles of.
        progress: called with (tokens done, tokens).
    """
    source, rng = lines[language], random.Random(f"{seed} {language}")
    starts = [rng.randrange(len(source)) for _ in range(count)]
    prompts = [join(source[at : at + rng.randint(1, _LINES)])[-_PROMPT:] for at in starts]
    found: list[Written] = []
    for at in range(0, count, _ROWS):
        part = prompts[at : at + _ROWS]

        def show(step: int, _of: int, before: int = at) -> None:
            progress(before * _LENGTH + step * min(_ROWS, count - before), count * _LENGTH)

        rows = generate(
            loaded, part, tokens=_LENGTH, temperature=1.0, seed=seed + at, progress=show
        )
        found += [
            Written(prompt, _continuation(loaded.tokenizer, prompt, row))
            for prompt, row in zip(part, rows, strict=True)
        ]
    others = {primary(name) for name in lines} - {primary(language)}
    kept = [w for w in found if cut(w.text, rng)[1] and identify(w.text).language not in others]
    return kept if len(kept) >= _FEWEST else []


def _continuation(tokenizer: Any, prompt: str, row: Sequence[int]) -> str:
    # Some decoders drop a blank at the beginning of what they are given.
    before = prompt_ids(tokenizer, prompt)
    whole = tokenizer.decode([*before, *row], skip_special_tokens=True)
    text: str = whole[len(tokenizer.decode(before, skip_special_tokens=True)) :]
    # The last token may end within a character.
    return text.rstrip("\ufffd")
