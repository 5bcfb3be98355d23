"""How fast an edit is learned: `python -m profiles.bench.learning [--json]`.

- learning: some steps of `learn`, everything it does included (preparing the text, what the
  unedited model would say, the looks at the held-out loss, the optimizer), against the bare forward
  and backward passes over the same training batches, without the LM head and without an edit. In
  interleaved rounds in one process.
- one target: a language from beginning to end, as `langsteer profile` does it, calibration
  included; once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from profiles.bench.common import facts, load, model_parser, wait
from profiles.bench.rounds import compare
from profiles.corpora.corpus import Corpus, read_corpus
from profiles.corpora.split import split_for_learning
from profiles.learning.learn import learn
from profiles.learning.memories import LearnableMemories
from profiles.learning.options import Options
from profiles.learning.procedure import Procedure
from profiles.models.architecture import find_ffns
from profiles.models.frozen import frozen
from profiles.models.model import LoadedModel
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
            LearnableMemories(find_ffns(loaded.model)),
            # No stopping early: every round is to do the same.
            options=Options(steps=steps, patience=steps),
        )
        wait(loaded)

    def bare() -> None:
        with frozen(loaded.model), torch.enable_grad():
            for ids in batches:
                _forward_backward(loaded, ids)
        wait(loaded)

    with _noting(loaded, batches):
        learned()  # warms up as well
    bare()
    # The times' ratio, bare over learned, is that of the speeds, learned over bare.
    times = compare(bare, learned, rounds, warm=False)
    tokens = sum(_real(loaded, ids) for ids in batches)
    return {
        "language": language,
        "steps": len(batches),
        "tokens": tokens,
        **times.facts("bare", "learned", tokens),
    }


def one_target(
    loaded: LoadedModel, train: Corpus, held: Corpus, language: str, steps: int
) -> dict[str, Any]:
    """Seconds of a target edit from beginning to end; `steps` of learning at most."""
    recipe = Recipe(steps=steps)
    teach = Procedure(loaded=loaded, train=train.texts, held=held.texts, recipe=recipe)
    begun = time.perf_counter()
    account = teach(language, "target").account["memory"]
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
    parser = model_parser("How fast an edit is learned.")
    parser.add_argument("--target", default="de", help="the language learned (default de)")
    parser.add_argument("--steps", type=int, default=20, help="in every round (default 20)")
    parser.add_argument(
        "--target-steps",
        type=int,
        default=Recipe.steps,
        help=f"of one whole target (default {Recipe.steps}); 0 leaves that out",
    )
    options = parser.parse_args()
    loaded = load(options)
    train, held = split_for_learning(read_corpus(options.corpus), Recipe.seed)
    result = facts(options, loaded)
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
