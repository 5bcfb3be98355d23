"""Whether there is text enough in every language, and of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiles.errors import CorpusError

FEWEST, FEW = 20, 100


def check(source: str, texts: Mapping[str, Sequence[str]]) -> list[str]:
    """What is odd but usable about unique sentences by language.

    Raises:
        CorpusError: fewer than two languages, too little text in some, or one twice.
    """
    if len(texts) < 2:
        raise CorpusError(
            f"{source} has text in {', '.join(texts) or 'no language'} only; telling languages "
            "apart takes at least two"
        )
    short = [
        f"{language} has {len(sentences)} different sentences and lacks {FEWEST - len(sentences)}"
        for language, sentences in texts.items()
        if len(sentences) < FEWEST
    ]
    if short:
        raise CorpusError(
            f"{source}: {'; '.join(short)}: a language needs at least {FEWEST} ({FEW} or more are "
            "better)"
        )
    warnings = [
        f"{language}: only {len(sentences)} sentences; {FEW} or more are better"
        for language, sentences in texts.items()
        if len(sentences) < FEW
    ]
    return warnings + _shared(source, texts)


def _shared(source: str, texts: Mapping[str, Sequence[str]]) -> list[str]:
    """Sentences that two languages share blur both; a copied file makes them one."""
    warnings = []
    sets = {language: set(texts[language]) for language in sorted(texts)}
    names = list(sets)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = len(sets[first] & sets[second])
            if 2 * shared > min(len(sets[first]), len(sets[second])):
                raise CorpusError(
                    f"{source}: {first} and {second} share {shared} sentences; is one a copy?"
                )
            if shared:
                warnings.append(f"{first} and {second} share {shared} sentences")
    return warnings
