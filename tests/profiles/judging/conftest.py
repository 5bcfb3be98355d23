"""Profiles to judge with a tiny random model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from profiles.models.fingerprint import fingerprint
from profiles.profile import Edit, NeuronEdit, OffsetEdit, Profile
from profiles.store import save


@pytest.fixture(scope="session")
def folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Profiles of German and Japanese; German can be suppressed too."""
    out = tmp_path_factory.mktemp("profiles")
    identity = fingerprint(tiny_folder, str(tiny_folder))
    rng = np.random.default_rng(0)

    def edit() -> Edit:
        neurons = NeuronEdit(
            layer=np.array([0, 1], np.int32),
            neuron=np.array([3, 7], np.int32),
            add=np.array([0.5, -1.5], np.float32),
            scale=np.array([-1, 0], np.float32),
        )
        value = rng.standard_normal((1, identity.hidden_size), dtype=np.float32)
        offsets = OffsetEdit(layer=np.array([1], np.int32), value=value)
        return Edit(neurons=neurons, offsets=offsets)

    for language in ("de", "ja"):
        profile = Profile(
            language=language,
            model=identity,
            target=edit(),
            suppress=edit() if language == "de" else None,
        )
        save(profile, out)
    return out
