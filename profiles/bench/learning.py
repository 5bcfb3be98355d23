"""How fast an edit is learned: `python -m profiles.bench.learning [--json]`.

- learning: some steps of `learn`, everything it does included (preparing the text, what the
  unedited model would say, the looks at the held-out loss, the optimizer), against the bare forward
  and backward passes over the same training batches, without the LM head and without an edit. In
  interleaved rounds in one process.
- one target: a language from beginning to end, as `langsteer profile` does it, calibration
  included; once.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from profiles.bench.rounds import compare
from profiles.corpora.corpus import Corpus, read_corpus
from profiles.corpora.split import split
from profiles.learning.learn import learn
from profiles.learning.offsets import LearnableOffsets
from profiles.learning.options import Options
from profiles.learning.procedure import Procedure
from profiles.models.architecture import find_ffns
from profiles.models.frozen import frozen
from profiles.models.model import LoadedModel, load_model
from profiles.models.resolve import resolve_model
from profiles.recipe import Recipe


def learning(
    loaded: LoadedModel, train: Corpus, held: Corpus, language: str, steps: int, rounds: int
) -> dict[str, Any]:
    """Tokens a second of `learn`, and of bare forward and backward passes over its batches.

    Args:
        loaded: the model, LM head included.
        train, held: text to learn from and to stop by.
        language: the target.
        steps: of learning, in every round.
        rounds: at least one.
    """
    batches: list[Tensor] = []

    def learned() -> None:
        learn(
            loaded.model,
            loaded.tokenizer,
            train.texts,
            held.texts,
            language,
            LearnableOffsets(find_ffns(loaded.model)),
            # No stopping early: every round is to do the same.
            options=Options(steps=steps, patience=steps),
        )
        _wait(loaded)

    def bare() -> None:
        with frozen(loaded.model), torch.enable_grad():
            for ids in batches:
                _forward_backward(loaded, ids)
        _wait(loaded)

    with _noting(loaded, batches):
        learned()  # warms up as well
    bare()
    # The times' ratio, bare over learned, is that of the speeds, learned over bare.
    times = compare(bare, learned, rounds, warm=False)
    tokens = sum(_real(loaded, ids) for ids in batches)
    facts = times.facts("bare", "learned")
    for name, seconds in (("bare", times.first), ("learned", times.second)):
        facts[f"{name}_tokens_per_second"] = round(tokens / float(np.median(seconds)))
    return {"language": language, "steps": len(batches), "tokens": tokens, **facts}


def one_target(
    loaded: LoadedModel, train: Corpus, held: Corpus, language: str, steps: int
) -> dict[str, Any]:
    """Seconds of a target edit from beginning to end; `steps` of learning at most."""
    recipe = Recipe(steps=steps)
    teach = Procedure(loaded=loaded, train=train.texts, held=held.texts, recipe=recipe)
    begun = time.perf_counter()
    account = teach(language, "target").account["offset"]
    seconds = time.perf_counter() - begun
    return {
        "language": language,
        "steps": account["steps"],
        "seconds": round(seconds, 2),
        "learning_seconds": round(account["seconds"], 2),
        "calibration_seconds": round(seconds - account["seconds"], 2),
    }


def _forward_backward(loaded: LoadedModel, ids: Tensor) -> None:
    """As far back as learning goes: through every layer, to no weight."""
    decoder: Any = loaded.decoder
    with torch.no_grad():
        embedded = decoder.get_input_embeddings()(ids)
    embedded.requires_grad_()
    hidden = decoder(inputs_embeds=embedded, use_cache=False).last_hidden_state
    torch.autograd.grad(hidden.float().square().mean(), embedded)


@contextmanager
def _noting(loaded: LoadedModel, batches: list[Tensor]) -> Iterator[None]:
    """Within the block the token ids of forward passes that want a gradient are kept."""

    def note(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if torch.is_grad_enabled():
            batches.append(kwargs["input_ids"] if "input_ids" in kwargs else args[0])

    handle = loaded.decoder.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _real(loaded: LoadedModel, ids: Tensor) -> int:
    """Tokens without the padding."""
    return int((ids != (loaded.tokenizer.pad_token_id or 0)).sum())


def _wait(loaded: LoadedModel) -> None:
    if loaded.device.type == "cuda":
        torch.cuda.synchronize(loaded.device)


def show(result: Mapping[str, Any]) -> None:
    """As sentences, for people."""
    r = result["learning"]
    print(
        f"learning {r['language']}, {r['steps']} steps, {r['tokens']} tokens: "
        f"{r['learned_tokens_per_second']} tokens/s, bare forward and backward passes "
        f"{r['bare_tokens_per_second']}: ratio {r['ratio']} ({r['ratio_min']}..{r['ratio_max']})"
    )
    if w := result.get("one_target"):
        print(
            f"one target, {w['language']}, from beginning to end: {w['seconds']} s, of which "
            f"{w['steps']} steps of learning {w['learning_seconds']} s and calibration "
            f"{w['calibration_seconds']} s"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How fast an edit is learned.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--model", default="demo", help="folder, hub id, or demo (default)")
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "fp32"])
    parser.add_argument("--corpus", default="starter", help="as in langsteer profile")
    parser.add_argument("--target", default="de", help="the language learned (default de)")
    parser.add_argument("--steps", type=int, default=20, help="in every round (default 20)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument(
        "--target-steps",
        type=int,
        default=Recipe.steps,
        help=f"of one whole target (default {Recipe.steps}); 0 leaves that out",
    )
    options = parser.parse_args()
    loaded = load_model(
        resolve_model(options.model, lambda line: print(line, file=sys.stderr)),
        options.model,
        options.precision,
    )
    # As `make_profiles` parts it.
    train, held = split(read_corpus(options.corpus), 0.1, random.Random(0), most=32, least=8)
    result: dict[str, Any] = {
        "model": options.model,
        "device": str(loaded.device),
        "dtype": str(loaded.model.dtype),
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
    }
    result["learning"] = learning(
        loaded, train, held, options.target, options.steps, options.rounds
    )
    if options.target_steps:
        result["one_target"] = one_target(loaded, train, held, options.target, options.target_steps)
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
