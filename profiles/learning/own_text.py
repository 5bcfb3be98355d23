"""Text that the unedited model writes itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from profiles.learning.prefixes import Lines, cut, join
from profiles.models.generate import generate
from profiles.models.model import LoadedModel

_LENGTH = 48  # tokens
_ROWS = 64  # at once


class OwnText:
    """What a model goes on with after a line or two of a language; written when first asked for.

    An edit that is to leave a language as it is has to do so on all that the model can say in it.
    The corpus is a few hundred lines of one kind; what the model draws itself is of every kind it
    knows, in the shares it knows them in, and the divergence of the edited model from the unedited
    is an expectation over just that.

    Args:
        loaded: the model; no edit is on when it is asked.
        lines: text by language, to begin from.
        seed: of what is drawn. The same seed gives a language the same texts, whatever others
            are asked for.
    """

    def __init__(self, loaded: LoadedModel, lines: Lines, seed: int) -> None:
        self._loaded, self._lines, self._seed = loaded, lines, seed
        self._known: dict[tuple[str, int], Sequence[str]] = {}

    def __call__(
        self,
        languages: Sequence[str],
        count: int,
        progress: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> Lines:
        """By language, `count` texts at most: one that breaks off at once is left out.

        Args:
            languages: of the lines.
            count: texts a language.
            progress: called with (languages done, languages).
        """
        for done, language in enumerate(languages, 1):
            if (language, count) not in self._known:
                self._known[language, count] = self._write(language, count)
            progress(done, len(languages))
        return {language: self._known[language, count] for language in languages}

    def _write(self, language: str, count: int) -> list[str]:
        lines, rng = self._lines[language], random.Random(f"{self._seed} {language}")
        starts = [rng.randrange(len(lines)) for _ in range(count)]
        prompts = [join(lines[at : at + rng.randint(1, 2)]) for at in starts]
        found = []
        for at in range(0, count, _ROWS):
            rows = generate(
                self._loaded,
                prompts[at : at + _ROWS],
                tokens=_LENGTH,
                temperature=1.0,
                seed=self._seed + at,
            )
            decode = self._loaded.tokenizer.decode
            found += [decode(row, skip_special_tokens=True).strip() for row in rows]
        return [text for text in found if cut(text, rng)[1]]
