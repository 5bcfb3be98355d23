"""What the keys of a profile's memories respond to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiles.finding.batches import Batch, Sentence, cut
from profiles.inside.memories.decoder import Decoder
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.neuron_account import list_triggers
from profiles.inside.memories.running_top import RunningTop
from profiles.models.gate import gate
from profiles.models.model import LoadedModel
from profiles.profile import MemoryEdit

_SENTENCES = 40  # of each language


@torch.inference_mode()
def key_triggers(
    store: MemoryStore,
    loaded: LoadedModel,
    decoder: Decoder,
    memories: MemoryEdit,
    *,
    count: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """By memory, where in the store's text its gate is widest, and its mean in every language.

    The text is the first sentences of each language that the store holds, read by the unedited
    model: beside the memories of earlier layers, a key would see another input.

    Args:
        store: whose text is read.
        loaded: the model.
        decoder: its modules.
        memories: of one role of a profile.
        count: places kept of each.
        progress: called with (batches done, batches in all).

    Raises:
        ModelError: no module of the model gets an FFN's input, see `FFN.on_both`.
    """
    batches = [*cut(_sentences(store, {*loaded.tokenizer.all_special_ids}))]
    device = loaded.device
    tops = [RunningTop(1, count, device) for _ in memories.layer]
    sums = torch.zeros(len(memories), len(store.languages), device=device)
    seen = torch.zeros(len(store.languages), device=device)
    now: dict[str, Tensor] = {}

    def listen(row: int) -> Callable[[Tensor, Tensor], Tensor]:
        key_1H = torch.from_numpy(memories.key[row : row + 1].copy()).to(device)
        bias_1 = torch.from_numpy(memories.bias[row : row + 1].copy()).to(device)

        def hook(x: Tensor, h: Tensor) -> Tensor:
            opened_T1 = gate(x, key_1H, bias_1).reshape(-1, 1)[now["grid"]]
            tops[row].update(opened_T1, now["at"])
            sums[row].index_add_(0, now["label"], opened_T1[:, 0])
            return h

        return hook

    with ExitStack() as stack:
        for row, layer in enumerate(memories.layer.tolist()):
            stack.callback(decoder.ffns[layer].on_both(listen(row)))
        for done, batch in enumerate(batches, 1):
            now.update(_places(batch, store.text.starts, device))
            seen.index_add_(0, now["label"], torch.ones(len(now["label"]), device=device))
            ids, mask, _ = (tensor.to(device) for tensor in batch.tensors())
            loaded.decoder(input_ids=ids, attention_mask=mask, use_cache=False)
            if progress:
                progress(done, len(batches))
    means = (sums / seen.clamp_min(1)).cpu().numpy()
    return [
        {
            "layer": int(layer),
            "gate": {
                tag: round(float(mean), 4) for tag, mean in zip(store.languages, row, strict=True)
            },
            "triggers": list_triggers(
                store, top.values[0].cpu().numpy(), top.at[0].cpu().numpy().astype(np.int64)
            ),
        }
        for layer, row, top in zip(memories.layer, means, tops, strict=True)
    ]


def _sentences(store: MemoryStore, special: set[int]) -> list[Sentence]:
    text, found = store.text, []
    taken = np.zeros(len(store.languages), np.int64)
    for index, label in enumerate(text.labels.tolist()):
        taken[label] += 1
        if taken[label] <= _SENTENCES:
            ids = text.tokens[text.starts[index] : text.starts[index + 1]].tolist()
            real = tuple(i not in special for i in ids)
            found.append(Sentence(index, label, tuple(ids), real))
    return found


def _places(batch: Batch, starts: NDArray[np.int64], device: torch.device) -> dict[str, Tensor]:
    """Of the batch's real tokens: "grid", index into it; "at", place in the text; "label"."""
    rows = [
        (row * batch.width + i, int(starts[sentence.index]) + i, sentence.label)
        for row, sentence in enumerate(batch.sentences)
        for i, real in enumerate(sentence.real)
        if real
    ]
    columns = torch.tensor(rows, dtype=torch.int64, device=device).reshape(-1, 3).T
    return dict(zip(("grid", "at", "label"), columns, strict=True))
