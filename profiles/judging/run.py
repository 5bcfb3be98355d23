"""From the options of `langsteer evaluate` to its result: what is read, made and asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from profiles.errors import LangsteerError
from profiles.judging.baselines import Bench
from profiles.judging.effect import check_applies
from profiles.judging.embedders import Embed, encoder, hidden_states, packaged, packaged_name
from profiles.judging.evaluate import Evaluation
from profiles.judging.meaning import Meaning
from profiles.judging.options import Options
from profiles.judging.record import Record
from profiles.judging.subject import Place, Subject
from profiles.judging.text import EvaluationText, read_text
from profiles.models.model import LoadedModel
from profiles.progress import Stage
from profiles.versions import versions


def run(
    place: Place,
    languages: Sequence[str],
    options: Options,
    stage: Stage,
    load: Callable[[], LoadedModel] | None,
) -> dict[str, Any]:
    """Read, make, judge.

    Args:
        place: see `Place`.
        languages: tags to judge; empty for all there are profiles of.
        options: see `Options`.
        stage: shows progress.
        load: loads the model, once everything that is quicker to check has been; None where
            only a server has it.

    Raises:
        LangsteerError: whatever cannot be read, made, reached or measured; says what mends it.
    """
    from profiles.corpora.corpus import read_corpus

    text = read_text(place.text, place.text_lines)
    subject = Subject(place, languages, options)
    if subject.remote or not options.held_out:
        check_applies(subject.plan, text, options)
    if load:
        subject.load(load)
    compared, embed = _embedder(place, options, text, subject.loaded)
    record = _record(place, options, text, subject, compared)
    loaded = None if subject.remote else subject.model
    bench = Bench(loaded, read_corpus(), stage, place.down_projection)
    meaning = Meaning(embed(), text.lines) if embed else None
    result = Evaluation(
        record=record,
        writer=subject.writer,
        loaded=subject.loaded,
        text=text,
        options=options,
        stage=stage,
        meaning=meaning,
    ).run(
        subject.methods("target"),
        subject.methods("suppress"),
        bench if options.baselines else None,
    )
    if not result["cells"] and not result["damage"]:
        reasons = (row["reason"] for row in result["skipped"] if "measures" not in row)
        raise LangsteerError(f"nothing could be measured: {'; '.join(dict.fromkeys(reasons))}")
    return result


def _record(
    place: Place,
    options: Options,
    text: EvaluationText,
    subject: Subject,
    compared: str | None,
) -> Record:
    facts = {
        **subject.facts(),
        "text": {"source": text.source, "sha256": text.digest, "languages": text.languages},
        "options": options.fixed(),
        "meaning": compared,
        "versions": versions(),
    }
    record = Record(facts, place.out, place.resume, place.overwrite)
    if subject.loaded is None:
        missed, reason = "bits_per_byte, bits_ratio, perplexity", "give MODEL as well"
        if options.translates and not compared:
            missed, reason = f"{missed}, meaning", f"{reason}; meaning: an embedder, see --embedder"
        record.skip(measures=missed, reason=f"they take the model offline: {reason}")
    for role, tags in subject.plan.items():
        if not tags:
            wanted = ", ".join(subject.wanted)
            record.skip(role=role, reason=f"no profile of {wanted} has an edit for it")
    return record


def _embedder(
    place: Place, options: Options, text: EvaluationText, loaded: LoadedModel | None
) -> tuple[str | None, Callable[[], Embed] | None]:
    """What translations are compared by in meaning, and what loads it; None where none are."""
    if not options.translates or text.tag_of("en") is None:
        return None, None
    if place.embedder:
        # Whole, so that a resumed run cannot mean another folder by the same words.
        return str(place.embedder.resolve()), partial(encoder, place.embedder)
    if name := packaged_name():
        return name, packaged
    if loaded:
        return "the model's own middle layer", partial(hidden_states, loaded)
    return None, None
