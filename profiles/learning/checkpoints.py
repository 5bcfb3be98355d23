"""Where the states of all that is being learned are kept, a file an edit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from profiles.learning.checkpoint import Checkpoint
from profiles.learning.options import Options
from profiles.learning.prefixes import Lines, Role
from profiles.models.model import LoadedModel
from profiles.profile import Edit
from profiles.versions import installed


class Checkpoints:
    """Checkpoints of edits of one model, learned from one text.

    Args:
        folder: where they are kept; None for nowhere.
        loaded: the model.
        text: everything that is learned from, and that learning is stopped by.
        seed: of the examples.
        down_projection: see `find_ffns`.
    """

    def __init__(
        self,
        folder: Path | None,
        loaded: LoadedModel,
        text: Iterable[Lines],
        *,
        seed: int,
        down_projection: str | None,
    ) -> None:
        self._folder = folder
        self._loaded = loaded
        self._text = tuple(text)
        self._seed = seed
        self._down = down_projection

    def of(
        self, kind: str, language: str, role: Role, options: Options, init: Edit | None
    ) -> Checkpoint | None:
        """That of one edit; None where none are kept.

        Args:
            kind: what is learned; with language and role the name of the file.
            language: of the edit.
            role: "target" or "suppress".
            options: of learning.
            init: where learning begins.
        """
        if self._folder is None:
            return None
        file = self._folder / f"{language}-{role}-{kind}.pt"
        return Checkpoint(file, self._key(kind, language, role, options, init))

    def forget(self, languages: Iterable[str]) -> None:
        """Remove those of edits that are stored, and the folder once it is empty."""
        if self._folder is None or not self._folder.is_dir():
            return
        for language in languages:
            for file in self._folder.glob(f"{language}-*-*.pt"):
                file.unlink(missing_ok=True)
        if not any(self._folder.iterdir()):
            self._folder.rmdir()

    def _key(
        self, kind: str, language: str, role: Role, options: Options, init: Edit | None
    ) -> str:
        """Names a job by everything its result depends on."""
        model = self._loaded.identity
        parts = [kind, language, role, asdict(options), self._seed]
        template = getattr(self._loaded.tokenizer, "chat_template", None)
        parts += [model.weights, model.tokenizer, template, self._digest]
        parts += [str(self._loaded.model.dtype), self._down]
        # What an older langsteer learned may not be what this one would.
        parts.append(installed("langsteer"))
        if init is not None and init.neurons is not None:
            parts.append(hashlib.sha256(init.neurons.add.tobytes()).hexdigest())
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        # The model's own text follows from the rest.
        for lines in self._text:
            digest.update(json.dumps({k: list(v) for k, v in lines.items()}).encode())
        return digest.hexdigest()
