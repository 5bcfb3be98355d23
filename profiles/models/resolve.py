"""MODEL on the command line: `demo`, a local folder, or a hub id, as a local folder."""

from __future__ import annotations

import re
from pathlib import Path

from profiles.errors import ModelError
from profiles.models.demo_model import NAME, Report, demo_model

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "merges.*", "vocab.*"]


def resolve_model(model: str, report: Report | None = None) -> Path:
    """Folder of MODEL; a hub id ("owner/name" or "owner/name@revision") is downloaded.

    Args:
        model: `demo`, a folder with a config.json, or a hub id.
        report: gets lines of progress where something must be made first.

    Raises:
        ModelError: no such folder or repository, one that can't be read, or can't be fetched.
    """
    if model == NAME:
        return demo_model(report)
    folder = Path(model).expanduser()
    try:
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise ModelError(f"{folder} has no config.json: not a Hugging Face model folder")
            return folder
        if folder.is_file():
            raise ModelError(
                f"{folder} is a file; MODEL is a Hugging Face folder, a hub id, or demo"
            )
    except OSError as error:
        raise ModelError(
            f"cannot look into {folder}: {error.strerror or error}; this user must be able to read "
            "the model's folder and all above it"
        ) from error
    if model.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(model):
        raise ModelError(f"no model folder {model!r}; MODEL is a folder, a hub id, or demo")
    return _snapshot(model)


def _snapshot(model: str) -> Path:
    from huggingface_hub import snapshot_download

    name, _, revision = model.partition("@")
    at = revision or None
    try:
        folder = Path(snapshot_download(name, revision=at, allow_patterns=_FILES))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, revision=at, allow_patterns=[*_FILES, "*.bin"]))
    # The hub client raises its own, requests', and OS errors, by version.
    except Exception as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{model!r} is neither a local folder nor could it be fetched from the hub: {line}"
        ) from error
    if not (folder / "config.json").is_file():
        raise ModelError(f"hub repository {model!r} has no config.json: not a transformers model")
    return folder
