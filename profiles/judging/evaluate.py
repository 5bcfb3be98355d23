"""How well profiles steer, offline: success, repetition and fluency with and without them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from profiles.judging.contexts import PARAGRAPHS
from profiles.judging.judge import Verdict, judge
from profiles.models.generate import generate
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel
from profiles.profile import Profile
from profiles.progress import Stage

CONTEXTS = ("bos", "paragraph")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to sample. Defaults are those of Kojima et al. 2024, section 4.

    Attributes:
        samples: outputs a cell; sample i uses seed + i.
        tokens: length of an output.
        temperature: of plain sampling, no nucleus filter.
        seed: of the first sample.
        strength: factor on the profiles' edits.
        contexts: "bos" generates from nothing, "paragraph" after an English paragraph and a
            blank line.
        batch: rows generated at once.
    """

    samples: int = 100
    tokens: int = 64
    temperature: float = 0.8
    seed: int = 1
    strength: float = 1.0
    contexts: tuple[str, ...] = CONTEXTS
    batch: int = 50


def evaluate(
    loaded: LoadedModel,
    profiles: Sequence[Profile],
    options: Options,
    stage: Stage,
    samples_file: Path | None = None,
    *,
    down_projection: str | None = None,
) -> dict[str, Any]:
    """Cells of (language, context, steered or not), as JSON-serialisable data.

    Unsteered outputs are generated once a context and judged for every language.

    Args:
        loaded: the model the profiles are of.
        profiles: those with a target edit are evaluated.
        options: see `Options`.
        stage: shows progress.
        samples_file: gets every output, one JSON object a line.
        down_projection: see `find_ffns`.
    """
    begun = time.monotonic()
    targets = {p.language: p.target for p in profiles if p.target}
    cells: list[dict[str, Any]] = []
    lines: list[str] = []
    for context in options.contexts:
        with stage(f"{context}, unsteered") as show:
            plain = _outputs(loaded, context, options, show, [*targets])
        for language, edit in targets.items():
            with (
                stage(f"{context}, {language}") as show,
                edited(loaded.model, edit, options.strength, down_projection=down_projection),
            ):
                ids = _generate(loaded, context, options, show)
            steered = judge(loaded, ids, [*targets])
            for verdicts, is_steered in ((plain, False), (steered, True)):
                cells.append(_cell(verdicts, language, context, is_steered))
                lines += [
                    json.dumps(
                        {"target": language, "context": context, "steered": is_steered}
                        | asdict(verdict),
                        ensure_ascii=False,
                    )
                    for verdict in verdicts
                ]
    if samples_file:
        samples_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {
        "model": loaded.identity.name,
        "samples": options.samples,
        "options": asdict(options),
        "profiles": {p.language: p.version for p in profiles},
        "cells": cells,
        "averages": _averages(cells),
        "samples_file": str(samples_file) if samples_file else None,
        "seconds": round(time.monotonic() - begun, 1),
    }


def _outputs(
    loaded: LoadedModel,
    context: str,
    options: Options,
    show: Callable[[int, int], None],
    among: Sequence[str],
) -> list[Verdict]:
    return judge(loaded, _generate(loaded, context, options, show), among)


def _generate(
    loaded: LoadedModel, context: str, options: Options, show: Callable[[int, int], None]
) -> list[list[int]]:
    out: list[list[int]] = []
    steps = options.tokens * -(-options.samples // options.batch)
    for start in range(0, options.samples, options.batch):
        rows = range(start, min(start + options.batch, options.samples))
        before = options.tokens * (start // options.batch)
        out += generate(
            loaded,
            [_prompt(context, row) for row in rows],
            tokens=options.tokens,
            temperature=options.temperature,
            seed=options.seed + start,
            progress=lambda done, _total, before=before: show(before + done, steps),  # type: ignore[misc]
        )
    return out


def _prompt(context: str, row: int) -> str:
    return "" if context == "bos" else PARAGRAPHS[row % len(PARAGRAPHS)] + "\n\n"


def _cell(
    verdicts: Sequence[Verdict], language: str, context: str, steered: bool
) -> dict[str, Any]:
    count = len(verdicts)
    size = sum(v.bytes for v in verdicts)
    return {
        "language": language,
        "context": context,
        "steered": steered,
        "success": sum(v.success(language) for v in verdicts) / count,
        "repetition": sum(v.repetitive for v in verdicts) / count,
        "bits_per_byte": round(sum(v.bits for v in verdicts) / size, 3) if size else None,
    }


def _averages(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    out = []
    for context, steered in dict.fromkeys((c["context"], c["steered"]) for c in cells):
        group = [c for c in cells if (c["context"], c["steered"]) == (context, steered)]
        means = {k: sum(c[k] for c in group) / len(group) for k in ("success", "repetition")}
        out.append({"context": context, "steered": steered, **means})
    return out
