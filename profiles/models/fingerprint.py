"""Which model is this: dimensions, tokenizer and weights of a model folder, hashed in a second."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from profiles.errors import ModelError
from profiles.models.dimensions import Dimensions
from profiles.profile import ModelIdentity

_BLOCK, _BLOCKS = 4096, 16


def fingerprint(folder: Path, name: str | None = None) -> ModelIdentity:
    """Identity of the model in `folder`, without loading it.

    Args:
        folder: a Hugging Face model folder (see `resolve_model`).
        name: what the user called it; the folder's name by default.

    Raises:
        ModelError: config, tokenizer or weights are missing or unreadable.
    """
    config = _read_json(folder / "config.json")
    architectures = config.get("architectures") or [config.get("model_type", "unknown")]
    sizes = Dimensions.of(config, str(folder / "config.json"))
    return ModelIdentity(
        name=name or folder.name,
        architecture=str(architectures[0]),
        layers=sizes.layers,
        hidden_size=sizes.hidden_size,
        intermediate_size=sizes.intermediate_size,
        tokenizer=_tokenizer_hash(folder),
        weights=_weights_hash(folder),
    )


def differences(expected: ModelIdentity, found: ModelIdentity) -> str:
    """Which fields differ, as text; empty where the models are the same. Names don't count."""
    fields = ("architecture", "layers", "hidden_size", "intermediate_size", "tokenizer", "weights")
    return ", ".join(
        f"{field} {_short(getattr(found, field))} (expected {_short(getattr(expected, field))})"
        for field in fields
        if getattr(expected, field) != getattr(found, field)
    )


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON object")
    return value


def _tokenizer_hash(folder: Path) -> str:
    """sha256 over the sorted vocabulary; over the raw file where there is no JSON of it."""
    file = folder / "tokenizer.json"
    digest = hashlib.sha256()
    if file.is_file():
        content = _read_json(file)
        vocab = (content.get("model") or {}).get("vocab") or {}
        # Unigram models list [token, score]; their index is the id.
        pairs = vocab.items() if isinstance(vocab, dict) else enumerate(t[0] for t in vocab)
        tokens = {(str(a), b) if isinstance(vocab, dict) else (b, a) for a, b in pairs}
        tokens |= {(t["content"], t["id"]) for t in content.get("added_tokens") or []}
        for token, index in sorted(tokens):
            digest.update(f"{token}\0{index}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
    if (file := folder / "vocab.json").is_file():
        for token, index in sorted(_read_json(file).items()):
            digest.update(f"{token}\0{index}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
    for name in ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "tekken.json"):
        if (file := folder / name).is_file():
            return hashlib.sha256(file.read_bytes()).hexdigest()
    raise ModelError(f"{folder} has no tokenizer (tokenizer.json, vocab.json, tokenizer.model)")


def _weights_hash(folder: Path) -> str:
    """sha256 over each weight file's size, header, and 16 evenly spaced 4 KiB blocks."""
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise ModelError(f"{folder} has no weights (*.safetensors or pytorch_model*.bin)")
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as data:
            if file.suffix == ".safetensors":
                length = int.from_bytes(data.read(8), "little")
                if length > size:
                    raise ModelError(f"{file} is damaged: its header is longer than the file")
                digest.update(data.read(length))
            for i in range(_BLOCKS):
                data.seek(max(0, size - _BLOCK) * i // (_BLOCKS - 1), os.SEEK_SET)
                digest.update(data.read(_BLOCK))
    return digest.hexdigest()
