"""Sample continuations from a transformers decoder, batched, with a KV cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from profiles.models.beginning import first_token
from profiles.models.model import LoadedModel

_BLOCK = 512


def generate(
    loaded: LoadedModel,
    prompts: Sequence[str],
    *,
    tokens: int = 64,
    temperature: float = 0.8,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[int]]:
    """One continuation a prompt, as token ids without special tokens.

    Sampling is plain temperature sampling, as in Kojima et al. 2024 (no nucleus filter); 0 is
    greedy. Row i draws from its own generator, seeded with seed + i.

    Args:
        loaded: the model; edits are applied by the caller, see `edited`.
        prompts: texts; "" is BOS alone. Tokenized as the model's tokenizer does.
        tokens: at most so many new ones; a row ends at EOS.
        progress: called with (tokens done, tokens).
    """
    tokenizer = loaded.tokenizer
    rows = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    ids, mask = _left_padded(rows, tokenizer.pad_token_id or 0)
    ids, mask = ids.to(loaded.device), mask.to(loaded.device)
    generators = [torch.Generator().manual_seed(seed + i) for i in range(len(rows))]
    ends = _end_ids(loaded)
    out: list[list[int]] = [[] for _ in rows]
    open_rows = set(range(len(rows)))
    cache: Any = None
    with torch.inference_mode():
        for step in range(tokens):
            result = loaded.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(-1) - 1).clamp_min(0)[:, -ids.shape[1] :],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = result.past_key_values
            chosen = _sample(result.logits[:, -1], temperature, generators)
            for row, token in enumerate(chosen.tolist()):
                if row in open_rows:
                    if token in ends:
                        open_rows.discard(row)
                    else:
                        out[row].append(token)
            if progress:
                progress(step + 1, tokens)
            if not open_rows:
                break
            ids = chosen[:, None]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
    return out


def prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    """The prompt as the model reads it, at least one token.

    Raises:
        ModelError: it has none, see `first_token`.
    """
    return [int(i) for i in tokenizer(prompt).input_ids] or [first_token(tokenizer)]


def _left_padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def _end_ids(loaded: LoadedModel) -> set[int]:
    ends = getattr(loaded.model.generation_config, "eos_token_id", None)
    ends = ends if isinstance(ends, list) else [ends]
    return {end for end in [*ends, loaded.tokenizer.eos_token_id] if end is not None}


def _sample(logits: Tensor, temperature: float, generators: Sequence[torch.Generator]) -> Tensor:
    if temperature <= 0:
        return logits.argmax(-1)
    # Inverse transform in two steps, first the block of the vocabulary, then the entry: exact,
    # and several times faster than a running sum over a vocabulary of hundreds of thousands.
    rows, size = logits.shape
    mass = logits.to(torch.float32, copy=True)
    mass.sub_(mass.amax(-1, keepdim=True)).div_(temperature).exp_()
    if rest := -size % _BLOCK:
        mass = functional.pad(mass, (0, rest))
    blocks = mass.view(rows, -1, _BLOCK)
    below = blocks.sum(-1).cumsum(-1)
    draw = torch.stack([torch.rand(1, generator=g) for g in generators]).to(below)
    aim = draw * below[:, -1:]
    block = torch.searchsorted(below, aim, right=True).clamp_max(below.shape[1] - 1)
    aim -= torch.where(block > 0, below.gather(1, (block - 1).clamp_min(0)), 0)
    inside = blocks[torch.arange(rows, device=block.device), block[:, 0]].cumsum(-1)
    # An entry without mass is never the answer: rounding may carry the aim past the last one.
    entry = torch.searchsorted(inside, torch.minimum(aim, inside[:, -1:] * (1 - 1e-7)), right=True)
    return (block * _BLOCK + entry)[:, 0].clamp_max(size - 1)
