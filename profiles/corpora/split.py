"""A corpus in two: to learn from, and to be judged on."""

from __future__ import annotations

import random

from profiles.corpora.check import FEWEST
from profiles.corpora.corpus import Corpus
from profiles.errors import CorpusError

# Of each language's lines, at most so many, learning is stopped and strength chosen by.
_HELD_SHARE, _HELD_LEAST, _HELD_MOST = 0.1, 8, 32


def split(
    corpus: Corpus, share: float, rng: random.Random, *, most: int | None = None, least: int = 1
) -> tuple[Corpus, Corpus]:
    """(training, held-out) text, split by line number, so that no translation straddles them.

    Nor does a sentence face a repeat of its translation: lines that repeat others, or are
    repeated, in any language, are learned from and never held out.

    Args:
        corpus: the text.
        share: of each language's lines that is held out, in 0..1.
        rng: decides which.
        most: at most about so many lines of a language are held out.
        least: and at least so many; as many are left to learn from.

    Raises:
        CorpusError: a language has too few lines; says how many it has and needs.
    """
    repeated = {*corpus.repeats}.union(*corpus.repeats.values())
    lines = [{*corpus.numbers_of(tag)} for tag in corpus.texts]
    held: set[int] = set()
    earlier: set[int] = set()
    # From the shortest language up: what is held out of it is held out of the longer ones too.
    for mine in sorted(lines, key=len):
        most_here = len(mine) - least if most is None else min(most, len(mine) - least)
        count = min(max(round(share * len(mine)), least), most_here)
        free = sorted(mine - held - repeated)
        rng.shuffle(free)
        # Lines of languages that have held out enough are taken last.
        free.sort(key=earlier.__contains__)
        held.update(free[: max(0, count - len(mine & held))])
        earlier |= mine
    parts = _part(corpus, held, False), _part(corpus, held, True)
    for part in parts:
        for tag, texts in part.texts.items():
            if len(texts) < least:
                raise _too_few(corpus, tag, least)
    return parts


def split_for_learning(corpus: Corpus, seed: int) -> tuple[Corpus, Corpus]:
    """(text to learn from, held-out text to stop learning and choose strengths by); see `split`."""
    return split(corpus, _HELD_SHARE, random.Random(seed), most=_HELD_MOST, least=_HELD_LEAST)


def _too_few(corpus: Corpus, tag: str, least: int) -> CorpusError:
    return CorpusError(
        f"{corpus.source}: {len(corpus.texts[tag])} sentences of {tag} are too few to hold {least} "
        f"out for judging and keep {least} to learn from; it needs at least "
        f"{max(2 * least, FEWEST)} whose lines repeat no other"
    )


def _part(corpus: Corpus, held: set[int], inside: bool) -> Corpus:
    kept = {
        tag: [
            (n, text)
            for n, text in zip(corpus.numbers_of(tag), texts, strict=True)
            if (n in held) == inside
        ]
        for tag, texts in corpus.texts.items()
    }
    return Corpus(
        source=corpus.source,
        texts={tag: tuple(text for _, text in pairs) for tag, pairs in kept.items()},
        numbers={tag: tuple(n for n, _ in pairs) for tag, pairs in kept.items()},
        repeats={} if inside else corpus.repeats,
    )
