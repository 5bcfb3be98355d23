"""Did the content survive? Translations against references, answers against facts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.errors import LangsteerError
from profiles.judging.identify import primary
from profiles.judging.interval import Interval, wilson

# Japanese and Korean by character: sacreBLEU's own tokenizers for them need dictionaries of
# their own; figures compare within one run, not with papers that used those.
_TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char", "th": "char"}
_DRAWS = 100


def translation_scores(
    outputs: Sequence[str], references: Sequence[str], language: str
) -> dict[str, dict[str, Any]]:
    """Corpus BLEU and chrF (0 to 100) with bootstrap intervals, and sacreBLEU's signatures.

    Args:
        outputs: translations.
        references: one an output.
        language: decides the tokenizer of BLEU.

    Raises:
        LangsteerError: sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ImportError as error:
        raise LangsteerError(
            "the condition translate needs sacrebleu: run pip install 'langsteer[evaluate]'"
        ) from error
    metrics = {
        "bleu": BLEU(tokenize=_TOKENIZERS.get(primary(language), "13a"), effective_order=False),
        "chrf": CHRF(),
    }
    picks = np.random.default_rng(0).integers(0, len(outputs), (_DRAWS, len(outputs)))
    out = {}
    for name, metric in metrics.items():
        found = {"value": _score(metric, outputs, references)}
        # sacreBLEU's own bootstrap fails on some numpy versions; this is the same, by percentile.
        drawn = [_score(metric, *_picked(outputs, references, rows)) for rows in picks]
        low, high = np.quantile(drawn, [0.025, 0.975])
        found |= {"low": round(float(low), 2), "high": round(float(high), 2)}
        signature = str(metric.get_signature())
        out[name] = {**found, "count": len(outputs), "signature": signature}
    return out


def answer_recall(outputs: Sequence[str], answers: Sequence[str]) -> Interval | None:
    """Share of outputs that hold their answer's digits, in whichever digits and grouping."""
    hits = sum(holds_answer(o, a) for o, a in zip(outputs, answers, strict=True))
    return wilson(hits, len(outputs))


def _score(metric: Any, outputs: Sequence[str], references: Sequence[str]) -> float:
    return round(float(metric.corpus_score([*outputs], [[*references]]).score), 2)


def _picked(
    outputs: Sequence[str], references: Sequence[str], rows: NDArray[np.int64]
) -> tuple[list[str], list[str]]:
    return [outputs[n] for n in rows], [references[n] for n in rows]


def holds_answer(output: str, answer: str) -> bool:
    """Whether the output holds the answer's digits as a number of their own."""
    # NFKC brings full-width digits to ASCII; 36,500 and 36 500 are one number.
    text = unicodedata.normalize("NFKC", output)
    joined = re.sub(r"(?<=\d)[.,'’\s](?=\d{3}(?!\d))", "", text)
    return any(re.search(rf"(?<!\d){answer}(?!\d)", t) for t in (text, joined))
