"""How far a profile moves neurons."""

from __future__ import annotations

import numpy as np

from profiles.inside.memories.memory_store import MemoryStore
from profiles.profile import Floats, NeuronEdit


def moved(store: MemoryStore, edit: NeuronEdit) -> Floats:
    """float32 [n], add + scale * the neuron's mean over the corpus's languages."""
    mean = store.scores.mean.mean(axis=0)[edit.layer, edit.neuron]
    return np.asarray(edit.add + edit.scale * mean, np.float32)
