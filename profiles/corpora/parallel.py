"""A corpus cut down to the lines that all of its languages have: translations of each other."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from profiles.corpora.check import FEWEST
from profiles.corpora.corpus import Corpus
from profiles.corpora.files import text_files
from profiles.corpora.gather import tag_of
from profiles.errors import CorpusError


def parallel(corpus: Corpus, usable: Mapping[str, Collection[int]] | None = None) -> Corpus:
    """The lines of `corpus` that every language has, so that sentence n is the same in all.

    Lines go missing where a text has a blank or repeats itself; they then go in all languages.

    Args:
        corpus: line n of each language is the translation of line n of the others.
        usable: by language, the line numbers that may be used; None for all.

    Raises:
        CorpusError: fewer than two languages, or too few lines in common.
    """
    if len(corpus.texts) < 2:
        raise CorpusError(
            f"{corpus.source}: layers are compared between languages, which takes at least two; "
            f"there is {', '.join(corpus.texts) or 'none'}"
        )
    lines = {tag: _lines(corpus, tag) for tag in corpus.texts}
    if usable is not None:
        lines = {
            tag: {n: t for n, t in own.items() if n in usable[tag]} for tag, own in lines.items()
        }
    common = sorted(set.intersection(*({*own} for own in lines.values())))
    if len(common) < FEWEST:
        counts = ", ".join(f"{tag} {len(own)}" for tag, own in lines.items())
        raise CorpusError(
            f"{corpus.source}: {len(common)} lines are there in all languages, at least {FEWEST} "
            f"are needed; usable lines by language: {counts}. Line n of each language must be the "
            "translation of line n of the others"
        )
    most = max(len(own) for own in lines.values())
    dropped = most - len(common)
    warnings = [f"{dropped} of {most} lines are not in every language: left out"] if dropped else []
    return replace(
        corpus,
        texts={tag: tuple(own[n] for n in common) for tag, own in lines.items()},
        numbers={tag: tuple(common) for tag in lines},
        warnings=(*corpus.warnings, *warnings),
    )


def check_alignment(source: str, languages: Sequence[str] | None = None) -> None:
    """Refuse a folder of text files that cannot be aligned: they have different lengths.

    Blank lines at a file's end do not count. Other sources are not looked at.

    Args:
        source: as for `read_corpus`.
        languages: look at these only; at all by default.

    Raises:
        CorpusError: the lengths differ; says which.
    """
    folder = Path(source).expanduser()
    if source == "starter" or not folder.is_dir():
        return
    lengths: dict[str, int] = {}
    for name, file in text_files(folder):
        tag = tag_of(name, str(file))
        if languages is None or tag in languages:
            lengths[tag] = lengths.get(tag, 0) + _length(file)
    if len({*lengths.values()}) > 1:
        usual = Counter(lengths.values()).most_common(1)[0][0]
        shown = ", ".join(f"{tag} {n}" for tag, n in sorted(lengths.items()))
        odd = [tag for tag, n in lengths.items() if n != usual]
        raise CorpusError(
            f"{source} is not aligned: line n of each file must be the translation of line n of "
            f"the others, but the files have different lengths ({shown}). Mend "
            f"{', '.join(sorted(odd))}, or choose the others with --languages"
        )


def _lines(corpus: Corpus, tag: str) -> dict[int, str]:
    """Sentences by number; of a number with several sentences nobody knows which is meant."""
    numbers = corpus.numbers_of(tag)
    often = Counter(numbers)
    pairs = zip(numbers, corpus.texts[tag], strict=True)
    return {n: text for n, text in pairs if often[n] == 1}


def _length(file: Path) -> int:
    last = 0
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            for number, line in enumerate(opened, 1):
                if line.strip():
                    last = number
    except (OSError, EOFError) as error:
        raise CorpusError(
            f"cannot read {file}: {getattr(error, 'strerror', None) or error}"
        ) from error
    return last
