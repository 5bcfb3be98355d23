from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from profiles.errors import ModelError
from profiles.models.fingerprint import differences, fingerprint


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def test_a_copy_is_the_same_model(tiny_folder: Path, folder: Path) -> None:
    first, second = fingerprint(tiny_folder, "a"), fingerprint(folder)
    assert (first.name, second.name) == ("a", "copy")
    assert not differences(first, second)
    assert (first.layers, first.hidden_size, first.intermediate_size) == (2, 16, 32)
    assert first.architecture == "LlamaForCausalLM"


def test_other_weights_and_other_words_are_seen(folder: Path) -> None:
    before = fingerprint(folder)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert differences(before, fingerprint(folder)).startswith("weights ")
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["vocab"]["new"] = 300
    file.write_text(json.dumps(content))
    text = differences(before, fingerprint(folder))
    assert "tokenizer " in text
    assert "weights " in text


def test_the_order_of_the_vocabulary_is_irrelevant(folder: Path) -> None:
    before = fingerprint(folder)
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["vocab"] = dict(reversed(content["model"]["vocab"].items()))
    file.write_text(json.dumps(content))
    assert not differences(before, fingerprint(folder))


def test_differences_name_the_fields(folder: Path) -> None:
    model = fingerprint(folder)
    assert differences(model, replace(model, layers=5)) == "layers 5 (expected 2)"


@pytest.mark.parametrize(
    ("config", "dims"),
    [
        ({"num_hidden_layers": 2, "hidden_size": 8, "ffn_dim": 24}, (2, 8, 24)),
        ({"n_layer": 3, "n_embd": 8, "n_inner": None}, (3, 8, 32)),
        ({"n_layer": 3, "hidden_size": 8}, (3, 8, 32)),
        ({"num_layers": 3, "d_model": 8, "ffn_dim": 16}, (3, 8, 16)),
        (
            {"text_config": {"num_hidden_layers": 1, "hidden_size": 4, "intermediate_size": 9}},
            (1, 4, 9),
        ),
        # Mixtures of experts: dense layers' neurons where there are any, else the experts'.
        (
            {
                "num_hidden_layers": 3,
                "hidden_size": 8,
                "intermediate_size": 24,
                "moe_intermediate_size": 5,
            },
            (3, 8, 24),
        ),
        ({"num_hidden_layers": 3, "hidden_size": 8, "moe_intermediate_size": 5}, (3, 8, 5)),
        (
            {
                "num_hidden_layers": 3,
                "hidden_size": 8,
                "intermediate_size": 24,
                "intermediate_size_mlp": 48,
            },
            (3, 8, 48),
        ),
        ({"n_layers": 3, "d_model": 8, "ffn_config": {"ffn_hidden_size": 20}}, (3, 8, 20)),
    ],
)
def test_dimensions_by_family(
    folder: Path, config: dict[str, Any], dims: tuple[int, int, int]
) -> None:
    (folder / "config.json").write_text(json.dumps(config))
    model = fingerprint(folder)
    assert (model.layers, model.hidden_size, model.intermediate_size) == dims


def test_pytorch_weights_and_other_tokenizers(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"sentencepiece")
    assert fingerprint(folder).weights


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "cannot read"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_what_is_missing_is_named(folder: Path, name: str, message: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=message):
        fingerprint(folder)
