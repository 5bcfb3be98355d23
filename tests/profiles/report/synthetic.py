"""Profiles and an evaluation with everything a report can show, made up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from profiles.finding.histogram import score_histogram
from profiles.profile import Edit, MemoryEdit, ModelIdentity, NeuronEdit, OffsetEdit, Profile
from profiles.store import save

LANGUAGES = ("de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "zh")
MODEL = ModelIdentity(
    name="made-up",
    architecture="LlamaForCausalLM",
    layers=18,
    hidden_size=8,
    intermediate_size=64,
    tokenizer="a" * 64,
    weights="b" * 64,
)


def calibration(rng: np.random.Generator, role: str) -> dict[str, Any]:
    """Success rises with strength, and so does perplexity; decode lags behind."""
    points = []
    for phase, lag in (("all", 1.0), ("decode", 1.5)):
        for strength in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0):
            rate = 1 / (1 + math.exp(6 * (lag * 0.5 - strength) + rng.normal(0, 0.3)))
            cost = 1.05 - 0.2 * strength + 0.17 * strength**2
            points.append(
                {
                    "strength": strength,
                    "phase": phase,
                    "success": round(rate, 3),
                    "by_context": {"none": round(min(1, rate + 0.02), 3), "cut": round(rate, 3)},
                    "repetition": round(0.02 * strength, 3),
                    "bits_per_byte": None if role == "suppress" else round(0.9 + cost / 10, 3),
                    "perplexity": round(cost, 3),
                    "samples": 48,
                }
            )
    return {"points": points, "recommended": 3, "rescaled": 1.3}


def profile(language: str, seed: int, model: ModelIdentity = MODEL, **more: Any) -> Profile:
    """A profile with neurons, offsets and memories towards `language`, neurons away from it.

    `more` goes into its provenance.
    """
    rng = np.random.default_rng(seed)

    def neurons(count: int) -> NeuronEdit:
        at = rng.choice(model.layers * model.intermediate_size, count, replace=False)
        return NeuronEdit(
            layer=(at // model.intermediate_size).astype(np.int32),
            neuron=(at % model.intermediate_size).astype(np.int32),
            add=rng.standard_normal(count, dtype=np.float32),
            scale=np.zeros(count, np.float32),
        )

    offsets = OffsetEdit(
        layer=np.arange(model.layers, dtype=np.int32),
        value=rng.standard_normal((model.layers, model.hidden_size), dtype=np.float32),
    )
    memories = MemoryEdit(
        layer=np.arange(1, 4, dtype=np.int32),
        key=np.zeros((3, model.hidden_size), np.float32),
        bias=np.zeros(3, np.float32),
        value=np.full((3, model.hidden_size), seed + 1, np.float32),
    )
    scores = rng.beta(0.6, 6, model.layers * model.intermediate_size).astype(np.float32)
    best = np.argsort(-scores)[:20]
    losses = {
        "curve": [[n, 3 - n / 40 + 0.05 * rng.random(), 3.1 - n / 45] for n in range(0, 61, 10)]
    }
    provenance: dict[str, Any] = {
        "method": "neurons",
        "parameters": {"method": "neurons", "budget": 0.01, "steps": 60, "seconds": None},
        "corpus": {
            "source": "starter",
            "sha256": "c" * 64,
            "sentences": 300,
            "tokens": 6000 + seed,
        },
        "versions": {"python": "3.12", "langsteer": "0.1.0"},
        "language_neurons": [
            [int(n) // model.intermediate_size, int(n) % model.intermediate_size, float(scores[n])]
            for n in best
        ],
        "scores": score_histogram("ap", scores),
        "learning": {
            "target": {
                "offset": losses,
                "neurons": {"count": 12, **losses},
                "calibration": calibration(rng, "target"),
            },
            "suppress": {"factors": losses, "calibration": calibration(rng, "suppress")},
        },
        **more,
    }
    return Profile(
        language=language,
        model=model,
        target=Edit(neurons=neurons(90), offsets=offsets, memories=memories),
        suppress=Edit(neurons=neurons(40)),
        provenance=provenance,
    )


def folder(path: Path, languages: tuple[str, ...] = LANGUAGES) -> dict[str, Profile]:
    """Saves a profile a language to `path`."""
    path.mkdir(parents=True, exist_ok=True)
    made = {tag: profile(tag, n) for n, tag in enumerate(languages)}
    for one in made.values():
        save(one, path)
    return made


def evaluation(profiles: dict[str, Profile], **more: Any) -> dict[str, Any]:
    """An evaluation.json of `profiles` with two conditions a role and a baseline."""
    rng = np.random.default_rng(1)

    def share(at: float) -> dict[str, Any]:
        value = float(np.clip(at + rng.normal(0, 0.04), 0, 1))
        low, high = max(0.0, value - 0.08), min(1.0, value + 0.06)
        return {"value": value, "low": low, "high": high, "count": 50}

    def measures(role: str, method: str) -> dict[str, Any]:
        good = {"unsteered": 0.03, "steered": 0.95, "instruction": 0.3}[method]
        main = {"success": share(good)} if role == "target" else {"denied": share(1 - good)}
        ratio = {"value": 1.07, "low": 0.98, "high": 1.2, "count": 50}
        kept = share(0.4) if method != "unsteered" else None
        other = {"second": share(good), "repetition": share(0.03), "lpr": share(0.9), "wpr": None}
        return {**main, **other, "bits_per_byte": ratio, "bits_ratio": ratio, "kept": kept}

    texts = {"de": "Als sie das Fenster öffnete,", "ja": "窓を開けたとき、", "ru": "Когда она"}
    cells, averages, damage = [], [], []
    wanted = {"target": ("bos", "paragraph"), "suppress": ("bos", "denied-paragraph")}
    for role, conditions in wanted.items():
        for condition in conditions:
            for method in ("unsteered", "steered", "instruction"):
                strength = 1.0 if method == "steered" else None
                key = {"role": role, "condition": condition, "method": method, "strength": strength}
                for tag in profiles:
                    sample = {"prompt": "When she opened the window,", "text": texts.get(tag, "Le")}
                    cells.append(
                        {
                            **key,
                            "language": tag,
                            "count": 50,
                            "languages": {tag: 46, "en": 4},
                            "samples": [sample] * 3,
                            **measures(role, method),
                        }
                    )
                mean = {k: v for k, v in measures(role, method).items() if "bits" not in k}
                found = {"languages": [*profiles], "languages_found": {"de": 90, "en": 10}}
                averages.append({**key, **mean, "bits_ratio_own": 1.05, **found})
        for tag in profiles:
            ratios = {
                other: {
                    "value": float(np.exp(rng.normal(0.0, 0.4))),
                    "low": 0.5,
                    "high": 2,
                    "count": 8,
                }
                for other in profiles
            }
            key = {"role": role, "method": "steered", "strength": 1.0, "language": tag}
            damage.append({**key, "ratios": ratios})
    return {
        "format": 1,
        "model": {"name": "made-up", "weights": MODEL.weights, "tokenizer": MODEL.tokenizer},
        "server": None,
        "text": {"source": "passages", "sha256": "d" * 64, "languages": [*profiles]},
        "options": {"samples": 50, "tokens": 64, "temperature": 0.8, "seed": 1, "held_out": 8},
        "profiles": {tag: one.version for tag, one in profiles.items()},
        "neurons_edited": {},
        "versions": {"python": "3.12"},
        "natural": {},
        "cells": cells,
        "damage": damage,
        "averages": averages,
        "skipped": [{"condition": "chat", "reason": "the model has no chat template"}],
        "seconds": 12.5,
        **more,
    }
