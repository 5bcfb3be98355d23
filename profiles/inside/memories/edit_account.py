"""What a profile's edits say through the unembedding: how an operator comes to trust one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from profiles.inside.memories.decoder import Decoder
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.moved import moved
from profiles.inside.memories.neuron_account import said_account
from profiles.inside.memories.said import DOWN, UP
from profiles.inside.memories.values import read_vectors
from profiles.models.values import value_vectors
from profiles.profile import Edit, NeuronEdit, Profile

_NEURONS = 10


def edit_account(store: MemoryStore, profile: Profile, decoder: Decoder | None) -> dict[str, Any]:
    """By role, what an edit promotes and demotes; JSON-serialisable.

    "added" are the vectors that it adds to FFN outputs: memories, offsets, and what its neurons
    add up to in a layer, sum of (add + scale * mean coefficient) * value; by layer. "neurons" are
    those it moves furthest.

    Args:
        store: of the profile's model.
        profile: the profile.
        decoder: the model; None leaves "added" empty, for its unembedding is needed.
    """
    return {
        role: {
            "added": _added(store, edit, decoder) if decoder else [],
            "neurons": _neurons(store, edit.neurons) if edit.neurons else [],
        }
        for role, edit in profile.edits().items()
    }


def _added(store: MemoryStore, edit: Edit, decoder: Decoder) -> list[dict[str, Any]]:
    head, found = decoder.head, [*_vectors(store, edit, decoder)]
    vectors_NH = torch.stack(
        [head.contribution(layer, vector.to(head.weight.device)) for _, layer, vector in found]
    )
    member_VG = torch.from_numpy(store.groups.member).to(head.weight.device)
    said = read_vectors(head, vectors_NH, member_VG, 10)
    return [
        {
            "kind": kind,
            "layer": layer,
            "norm": round(float(vector.norm()), 3),
            **said_account(store, said, (row,)),
        }
        for row, (kind, layer, vector) in enumerate(found)
    ]


def _vectors(
    store: MemoryStore, edit: Edit, decoder: Decoder
) -> Iterator[tuple[str, int, torch.Tensor]]:
    for kind, part in (("memory", edit.memories), ("offset", edit.offsets)):
        if part:
            for layer, value_H in zip(part.layer.tolist(), part.value, strict=True):
                yield kind, layer, torch.from_numpy(value_H.copy())
    if edit.neurons:
        by = moved(store, edit.neurons)
        for layer in np.unique(edit.neurons.layer).tolist():
            here = edit.neurons.layer == layer
            value_HN = value_vectors(decoder.ffns[layer]).cpu()
            chosen_HN = value_HN[:, torch.from_numpy(edit.neurons.neuron[here].astype(np.int64))]
            yield "neurons together", layer, chosen_HN @ torch.from_numpy(by[here])


def _neurons(store: MemoryStore, edit: NeuronEdit) -> list[dict[str, Any]]:
    by = moved(store, edit)
    rows = []
    for index in np.argsort(-np.abs(by), kind="stable")[:_NEURONS].tolist():
        layer, neuron = int(edit.layer[index]), int(edit.neuron[index])
        ap = store.scores.ap[:, layer, neuron]
        row: dict[str, Any] = {
            "layer": layer,
            "neuron": neuron,
            "moved": round(float(by[index]), 4),
            "detects": store.languages[int(ap.argmax())],
            "ap": round(float(ap.max()), 4),
        }
        if store.said is not None:
            way = UP if by[index] > 0 else DOWN
            tokens = store.said.tokens[layer, neuron, way].tolist()
            row["promotes"] = [store.pieces.shown(token) for token in tokens]
        rows.append(row)
    return rows
