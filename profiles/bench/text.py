"""Text in the amount a benchmark asks for."""

from __future__ import annotations

from collections.abc import Sequence

from profiles.corpora.corpus import Corpus, read_corpus


def bench_corpus(source: str, languages: int, sentences: int) -> tuple[Corpus, int]:
    """(a corpus of as many languages and sentences of each, how many sentences are made up).

    Where the corpus has fewer, pairs of its lines make up the rest: longer than usual, but of the
    language, and each of its own.

    Args:
        source: see `read_corpus`.
        languages: how many, the first by tag.
        sentences: of each.

    Raises:
        CorpusError: see `read_corpus`.
        ValueError: not so many languages, or not even pairs enough.
    """
    texts = read_corpus(source, limit=sentences).texts
    if len(texts) < languages:
        raise ValueError(f"{source} has {len(texts)} languages, {languages} are asked for")
    chosen = {tag: texts[tag] for tag in sorted(texts)[:languages]}
    filled = {tag: _filled(lines, sentences) for tag, lines in chosen.items()}
    joined = sum(len(filled[tag]) - len(lines) for tag, lines in chosen.items())
    return Corpus(source=source, texts=filled), joined


def _filled(lines: Sequence[str], count: int) -> tuple[str, ...]:
    if count > len(lines) ** 2:
        raise ValueError(f"{len(lines)} lines make no {count} sentences")
    pairs = (
        f"{lines[n]} {lines[(n + gap) % len(lines)]}"
        for gap in range(1, len(lines))
        for n in range(len(lines))
    )
    return (*lines, *(pair for pair, _ in zip(pairs, range(count - len(lines)), strict=False)))
