"""What a profile does to a model's next token, all layers together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from profiles.inside.memories.memory_store import MemoryStore
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel
from profiles.profile import Edit

_SENTENCES = 4  # of each language
_TOKENS = 10


@torch.inference_mode()
def whole_edit(
    store: MemoryStore, loaded: LoadedModel, edit: Edit, languages: Sequence[str]
) -> dict[str, Any]:
    """The next token after the first half of sentences, without the edit and at strength 1.

    A value is read as if nothing followed its layer; what an edit of an early layer comes to is
    what later layers make of it. This is that: the mean over the sentences of the distribution of
    the next token, its mass by language, and the tokens that gain and lose most.

    Args:
        store: whose text is read.
        loaded: the model.
        edit: of one role.
        languages: whose sentences.
    """
    chosen = _halves(store, languages)
    before_V, after_V = _mean(loaded, chosen), torch.zeros(0)
    with edited(loaded.model, edit):
        after_V = _mean(loaded, chosen)
    member_VG = torch.from_numpy(store.groups.member)
    first = len(store.groups.scripts)

    def masses(p_V: Tensor) -> dict[str, float]:
        mass = (p_V @ member_VG)[first:]
        named = zip(store.groups.languages, mass.tolist(), strict=True)
        return {tag: round(value, 4) for tag, value in named}

    change_V = after_V - before_V
    count = min(_TOKENS, len(change_V))
    return {
        "sentences": len(chosen),
        "languages": list(languages),
        "unedited": masses(before_V),
        "edited": masses(after_V),
        "gains": _tokens(store, change_V, change_V.topk(count).indices),
        "loses": _tokens(store, change_V, (-change_V).topk(count).indices),
    }


def _halves(store: MemoryStore, languages: Sequence[str]) -> list[list[int]]:
    text, found = store.text, []
    for language in languages:
        mine = np.nonzero(text.labels == store.languages.index(language))[0]
        for index in mine[:_SENTENCES].tolist():
            begin, end = text.starts[index : index + 2].tolist()
            found.append(text.tokens[begin : begin + max(1, (end - begin) // 2)].tolist())
    return found


def _mean(loaded: LoadedModel, rows: Sequence[Sequence[int]]) -> Tensor:
    total = torch.zeros(0)
    for row in rows:
        ids = torch.tensor([list(row)], device=loaded.device)
        logits_V = loaded.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1]
        p_V = torch.softmax(logits_V.float(), 0).cpu()
        total = p_V if not len(total) else total + p_V
    return total / len(rows)


def _tokens(store: MemoryStore, change_V: Tensor, chosen: Tensor) -> list[dict[str, Any]]:
    return [
        {"token": store.pieces.shown(t), "id": t, "change": round(float(change_V[t]), 5)}
        for t in chosen.tolist()
    ]
