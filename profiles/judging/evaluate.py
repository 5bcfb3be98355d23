"""`langsteer evaluate`: every method in every condition, judged; cell after cell."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from profiles.judging.baselines import Bench, Role
from profiles.judging.cell import averages, by_source, measure
from profiles.judging.condition import (
    CONDITIONS,
    Condition,
    Row,
    Scene,
    SkippedError,
    of_role,
)
from profiles.judging.content import answer_recall, holds_answer, translation_scores
from profiles.judging.damage import HeldOut
from profiles.judging.identify import primary
from profiles.judging.interval import wilson
from profiles.judging.judge import Verdict, judge_texts
from profiles.judging.likelihood import bits_of
from profiles.judging.meaning import Meaning
from profiles.judging.method import UNSTEERED, Method
from profiles.judging.options import Options
from profiles.judging.record import KEY, Record
from profiles.judging.text import EvaluationText
from profiles.judging.writer import Output, Writer
from profiles.models.model import LoadedModel
from profiles.progress import Stage

_SHOWN = 3
_DAMAGE_KEY = ("role", "method", "strength", "language")


class Evaluation:
    """One run of the evaluation.

    Args:
        record: gets every cell.
        writer: writes the outputs.
        loaded: the unedited model, for everything that takes likelihoods; None leaves that out.
        text: the evaluation text.
        options: see `Options`.
        stage: shows progress.
        meaning: compares translations by meaning; None leaves that out.
    """

    def __init__(
        self,
        *,
        record: Record,
        writer: Writer,
        loaded: LoadedModel | None,
        text: EvaluationText,
        options: Options,
        stage: Stage,
        meaning: Meaning | None = None,
    ) -> None:
        self._record, self._writer, self._loaded = record, writer, loaded
        self._text, self._options, self._stage, self._meaning = text, options, stage, meaning
        self._unsteered: dict[tuple[str, str | None], tuple[list[Row], list[Verdict]]] = {}
        self._among: list[str] = [*text.languages]

    def run(
        self,
        targets: Mapping[str, Sequence[Method]],
        suppress: Mapping[str, Sequence[Method]],
        bench: Bench | None = None,
    ) -> dict[str, Any]:
        """Judge all, and return the record's data.

        Args:
            targets: by language, the methods towards it.
            suppress: by language, the methods away from it.
            bench: makes the baselines' methods; None for no baselines.
        """
        begun = time.monotonic()
        self._among = [*dict.fromkeys([*self._text.languages, *targets, *suppress])]
        if self._loaded and not self._record.data["natural"]:
            with self._stage("natural text") as show:
                self._record.data["natural"] = self._held_out.natural(self._options.tokens, show)
        wanted: tuple[tuple[Role, Mapping[str, Sequence[Method]]], ...] = (
            ("target", targets),
            ("suppress", suppress),
        )
        for role, methods in wanted:
            names = of_role(role, self._options.conditions) if methods else []
            every = {
                language: [*own, *self._baselines(role, names, language, bench)]
                for language, own in methods.items()
            }
            for name in names:
                self._condition(CONDITIONS[name], role, every)
            self._damage(role, every)
        data = self._record.data
        data["averages"] = averages(data["cells"])
        data["seconds"] = round(data.get("seconds", 0.0) + time.monotonic() - begun, 1)
        self._record.save()
        return data

    @cached_property
    def _held_out(self) -> HeldOut:
        assert self._loaded
        return HeldOut(self._loaded, self._text, self._options.held_out)

    def _baselines(
        self, role: Role, conditions: Sequence[str], language: str, bench: Bench | None
    ) -> list[Method]:
        out = []
        for name in self._options.baselines if bench else ():
            assert bench
            # Some take minutes to make: not where all that they are for is there already.
            keys = [(role, condition, name, None, language) for condition in conditions]
            if all(map(self._record.has, keys)) and self._has_damage(role, name, None, language):
                continue
            try:
                method = bench.method(name, language, role)
                if not conditions and method.apply is None:
                    raise SkippedError("it changes what is asked, and no --conditions ask anything")
                out.append(method)
            except SkippedError as reason:
                self._record.skip(baseline=name, role=role, language=language, reason=str(reason))
        return out

    def _condition(
        self, condition: Condition, role: Role, methods: Mapping[str, Sequence[Method]]
    ) -> None:
        for language, own in methods.items():
            for method in (UNSTEERED, *own):
                values = (role, condition.name, method.name, method.strength, language)
                key = dict(zip(KEY, values, strict=True))
                if self._record.has(values):
                    continue
                try:
                    rows, verdicts = self._outputs(condition, language, method)
                except SkippedError as reason:
                    skipped = {"condition": condition.name, "reason": str(reason)}
                    if condition.suppressing:
                        skipped["language"] = language
                    self._record.skip(**skipped)
                    break
                self._add(key, rows, verdicts)

    def _outputs(
        self, condition: Condition, language: str, method: Method
    ) -> tuple[list[Row], list[Verdict]]:
        """Rows and judged outputs; the unsteered ones are written once a condition."""
        denied = language if condition.suppressing else None
        rows = condition.rows(
            Scene(
                text=self._text,
                count=self._options.samples,
                has_chat=self._writer.has_chat,
                denied=denied,
            )
        )
        place = (condition.name, denied)
        if method is UNSTEERED and place in self._unsteered:
            return self._unsteered[place]
        rows = [method.asked(row) for row in rows]
        title = f"{condition.name}, {method.name}"
        if method is not UNSTEERED:
            title += f", {language}" + (f" × {method.strength:g}" if method.strength else "")
        with self._stage(title) as show:
            outputs = self._writer.write(
                rows, method, self._options.sampling(condition.greedy), show
            )
        verdicts = judge_texts([o.text for o in outputs], self._bits(outputs), self._among)
        if method is UNSTEERED:
            self._unsteered[place] = (rows, verdicts)
        return rows, verdicts

    def _bits(self, outputs: Sequence[Output]) -> Sequence[float | None]:
        if not self._loaded:
            return [None] * len(outputs)
        encode = self._loaded.tokenizer
        ids = [
            [*o.ids] if o.ids is not None else encode(o.text, add_special_tokens=False).input_ids
            for o in outputs
        ]
        return bits_of(self._loaded, ids)

    def _add(
        self, key: Mapping[str, Any], rows: Sequence[Row], verdicts: Sequence[Verdict]
    ) -> None:
        language, condition = key["language"], CONDITIONS[key["condition"]]
        cell: dict[str, Any] = dict(key)
        pairs = [*zip(rows, verdicts, strict=True)]
        if condition.name == "other":
            # A paragraph already in the target asks nothing of a profile: shown by source only.
            sources = [row.source for row in rows]
            cell["by_source"] = by_source(verdicts, sources, language)
            pairs = [(r, v) for r, v in pairs if primary(r.source or "") != primary(language)]
            pairs = pairs[: self._options.samples]
        judged = [v for _, v in pairs]
        cell |= measure(
            judged,
            language,
            natural=self._natural,
            among=self._among,
            denied=key["role"] == "suppress",
        )
        if condition.name == "translate":
            cell |= self._translation(pairs, language)
        if condition.name == "answer":
            found = answer_recall([v.text for v in judged], [r.answer or "" for r, _ in pairs])
            cell["answer"] = found.rounded() if found else None
            held = [holds_answer(v.text, r.answer or "") for r, v in pairs]
            cell["kept"] = _kept(judged, held, language)
        samples = [_sample(key, row, verdict) for row, verdict in pairs]
        cell["samples"] = [{"prompt": r.prompt, "text": v.text} for r, v in pairs[:_SHOWN]]
        self._record.add(cell, samples)

    @property
    def _natural(self) -> dict[str, float]:
        found = self._record.data["natural"]
        return {primary(tag): facts["bits_per_byte"]["value"] for tag, facts in found.items()}

    def _translation(self, pairs: Sequence[tuple[Row, Verdict]], language: str) -> dict[str, Any]:
        if self._text.tag_of(language) is None or primary(language) == "en":
            return {}
        lines = [row.line for row, _ in pairs if row.line is not None]
        outputs = [v.text for _, v in pairs]
        sentences = self._text.sentences(language)
        found: dict[str, Any] = translation_scores(outputs, [sentences[n] for n in lines], language)
        if self._meaning:
            hits = self._meaning.hits(outputs, lines, language)
            found["meaning"] = {
                "value": round(sum(hits) / len(hits), 4),
                "count": len(hits),
                "anchor": round(self._meaning.anchor(lines, language), 4),
            }
            found["kept"] = _kept([v for _, v in pairs], hits, language)
        return found

    def _damage(self, role: Role, methods: Mapping[str, Sequence[Method]]) -> None:
        for language, own in methods.items():
            for method in own:
                key = (role, method.name, method.strength, language)
                if method.apply is None or self._has_damage(*key):
                    continue
                with self._stage(f"perplexity, {role} {language}, {method.name}") as show:
                    row: dict[str, Any] = dict(zip(_DAMAGE_KEY, key, strict=True))
                    row["ratios"] = self._held_out.ratios(method, show)
                self._record.data["damage"].append(row)
                self._record.save()

    def _has_damage(self, *key: str | float | None) -> bool:
        """Whether the row of the damage matrix is there, or none is wanted."""
        rows = self._record.data["damage"]
        return (
            not self._loaded
            or not self._options.held_out
            or any(tuple(row[k] for k in _DAMAGE_KEY) == key for row in rows)
        )


def _kept(
    verdicts: Sequence[Verdict], held: Sequence[bool], language: str
) -> dict[str, Any] | None:
    """Share of outputs that are in the language and still say what they should."""
    hits = sum(h and v.success(language) for v, h in zip(verdicts, held, strict=True))
    share = wilson(hits, len(verdicts))
    return share.rounded() if share else None


def _sample(key: Mapping[str, Any], row: Row, verdict: Verdict) -> dict[str, Any]:
    judged = asdict(verdict)
    # "language" is the one the cell is about.
    judged["identified"] = judged.pop("language")
    return {**key, "prompt": row.prompt, "messages": row.messages, "source": row.source, **judged}
