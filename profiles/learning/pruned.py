"""What gives up neurons while they are learned, by how it decides which."""

from __future__ import annotations

from collections.abc import Mapping

from profiles.learning.hard_concrete import HardConcreteNeurons
from profiles.learning.l1 import L1Neurons
from profiles.learning.neurons import LearnableNeurons

PRUNED: Mapping[str, type[LearnableNeurons]] = {
    "magnitude": LearnableNeurons,
    "l1": L1Neurons,
    "hard-concrete": HardConcreteNeurons,
}
