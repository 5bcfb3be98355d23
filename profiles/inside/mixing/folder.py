"""A study as files: the account, every map, and pictures."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from profiles.inside.mixing.maps import LayerMaps
from profiles.inside.mixing.study import FORMAT, Study
from profiles.profile import ModelIdentity
from profiles.report.checked import check_model, read_checked
from profiles.report.write import write, write_bytes

ACCOUNT, ARRAYS = "mixing.json", "maps.npz"
_PICTURE = re.compile(r"maps-layer-\d+\.png|layers\.png")


def save(study: Study, out: Path) -> list[Path]:
    """Write the account and the arrays to the folder `out`; each appears whole or not at all.

    Pictures of an earlier study go: they would stay beside the account of another text.

    Raises:
        LangsteerError: they cannot be written.
    """
    for old in [file for file in out.glob("*.png") if _PICTURE.fullmatch(file.name)]:
        old.unlink(missing_ok=True)
    write(out / ACCOUNT, json.dumps(study.facts, ensure_ascii=False) + "\n")
    arrays = {"scopes": np.array(study.facts["scopes"])}
    for name, layers in (("unsteered", study.unsteered), ("steered", study.steered)):
        if layers:
            arrays |= _arrays(name, layers)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(out / ARRAYS, buffer.getvalue())
    return [out / ACCOUNT, out / ARRAYS]


class _Account(BaseModel):
    """What the page cannot do without; its section checks the rest as it reads it."""

    model_config = ConfigDict(extra="allow", strict=True)

    format: int
    model: dict[str, Any]
    scopes: list[str]
    layers: list[dict[str, Any]]
    warnings: list[str]


def read_account(path: Path, model: ModelIdentity) -> dict[str, Any]:
    """The account in a file that `save` wrote, or in a folder with one.

    Args:
        path: the file, or the folder.
        model: the model it must be of.

    Raises:
        LangsteerError: there is none, or it is damaged, of another format or of another model.
    """
    file = path / ACCOUNT if path.is_dir() else path
    remake = "write one with `langsteer contextualize MODEL TEXT --out DIR`"
    what = "account of context mixing in"
    account = read_checked(file, _Account, FORMAT, what=what, missing=remake, again=remake)
    check_model(file, account.model, model, again=remake)
    return account.model_dump()


def _arrays(name: str, layers: list[LayerMaps]) -> dict[str, Any]:
    return {
        f"{name}.norms": np.stack([m.norms for m in layers]).astype(np.float32),
        f"{name}.context": np.stack([m.context for m in layers]).astype(np.float32),
        f"{name}.edit": np.stack([m.edit for m in layers]).astype(np.float32),
    }
