"""Text that the unedited model writes itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from profiles.judging.identify import identify, primary
from profiles.learning.prefixes import Lines, OwnTexts, Written, cut, join
from profiles.models.generate import generate
from profiles.models.model import LoadedModel

_LENGTH = 48  # tokens
_ROWS = 64  # at once
_LINES = 4  # of a prompt, at most
_PROMPT = 600  # characters: lines of a corpus may be paragraphs


class OwnText:
    """What a model goes on with after a few lines of a language; written when first asked for.

    An edit that is to leave a language as it is has to do so on all that the model can say in it.
    The corpus is a few hundred lines of one kind; what the model draws itself is soon of every
    kind it knows, and an edit's divergence on such text is what it costs.

    Args:
        loaded: the model; no edit is on when it is asked.
        lines: text by language, to begin from.
        seed: of what is drawn. The same seed gives a language the same texts, whatever others
            are asked for.
    """

    def __init__(self, loaded: LoadedModel, lines: Lines, seed: int) -> None:
        self._loaded, self._lines, self._seed = loaded, lines, seed
        self._known: dict[tuple[str, int], Sequence[Written]] = {}

    def __call__(
        self,
        languages: Sequence[str],
        count: int,
        progress: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> OwnTexts:
        """By language, `count` texts at most.

        One that breaks off at once is left out, and one that went into another of the languages.

        Args:
            languages: of the lines.
            count: texts a language.
            progress: called with (tokens done, tokens).
        """
        missing = [name for name in languages if (name, count) not in self._known]
        size = count * _LENGTH
        for n, language in enumerate(missing):

            def show(done: int, before: int = n * size) -> None:
                progress(before + done, len(missing) * size)

            self._known[language, count] = self._write(language, count, show)
        return {language: self._known[language, count] for language in languages}

    def _write(self, language: str, count: int, progress: Callable[[int], None]) -> list[Written]:
        lines, rng = self._lines[language], random.Random(f"{self._seed} {language}")
        starts = [rng.randrange(len(lines)) for _ in range(count)]
        prompts = [join(lines[at : at + rng.randint(1, _LINES)])[-_PROMPT:] for at in starts]
        found: list[Written] = []
        for at in range(0, count, _ROWS):
            part = prompts[at : at + _ROWS]
            width = len(part)

            def show(step: int, _of: int, done: int = at * _LENGTH, width: int = width) -> None:
                progress(done + width * step)

            rows = generate(
                self._loaded,
                part,
                tokens=_LENGTH,
                temperature=1.0,
                seed=self._seed + at,
                progress=show,
            )
            decode = self._loaded.tokenizer.decode
            texts = [decode(row, skip_special_tokens=True) for row in rows]
            # The last token may end within a character.
            found += [
                Written(*w) for w in zip(part, (t.rstrip("\ufffd") for t in texts), strict=True)
            ]
        progress(count * _LENGTH)
        others = {primary(name) for name in self._lines} - {primary(language)}
        return [
            written
            for written in found
            if cut(written.text, rng)[1] and identify(written.text).language not in others
        ]
