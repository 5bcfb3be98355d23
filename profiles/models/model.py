"""A transformers model and its tokenizer, loaded for offline work."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from profiles.errors import ModelError
from profiles.models.fingerprint import fingerprint
from profiles.profile import ModelIdentity

Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModel:
    """A decoder in evaluation mode, its tokenizer, and which model it is.

    Attributes:
        model: the causal language model, LM head included.
        tokenizer: its tokenizer.
        identity: fingerprint of the folder it came from.
    """

    model: Any
    tokenizer: Any
    identity: ModelIdentity

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device  # type: ignore[no-any-return]

    @property
    def decoder(self) -> nn.Module:
        """The model without its LM head, most of the cost where the vocabulary is large."""
        return self.model.base_model  # type: ignore[no-any-return]


def load_model(
    folder: Path, name: str, precision: Precision = "auto", *, weights: bool = True
) -> LoadedModel:
    """Load the model in `folder` (see `resolve_model`), on the GPU where there is one.

    Args:
        folder: a Hugging Face model folder.
        name: what the user called it.
        precision: of the weights; "auto" is bf16, which is also what vLLM serves by default.
        weights: False for the tokenizer and the identity alone, where another backend runs the
            model; `model` is then None.

    Raises:
        ModelError: transformers cannot load it.
    """
    identity = fingerprint(folder, name)
    # Else its advice on options langsteer sets on purpose mixes with the progress bars.
    logging.getLogger("transformers").setLevel(logging.ERROR)
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if not weights:
            return LoadedModel(model=None, tokenizer=tokenizer, identity=identity)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    # Whatever a foreign checkpoint makes transformers raise is the user's to read, in one line.
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"transformers cannot load {folder}: {line}") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return LoadedModel(model=model.to(device).eval(), tokenizer=tokenizer, identity=identity)
