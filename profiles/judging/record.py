"""An evaluation on disk, cell by cell, so that an interruption loses nothing that was finished."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from profiles.errors import LangsteerError

FORMAT = 1
FILE, SAMPLES = "evaluation.json", "samples.jsonl"
KEY = ("role", "condition", "method", "strength", "language")
_LISTS = ("cells", "damage", "skipped")

Key = tuple[Any, ...]


class Record:
    """What is known so far; every addition is on disk before the next cell begins.

    Args:
        facts: the evaluation's head: model, text, options, profiles. A resumed one must have
            the same, see `SAME`; "meaning" too, where both have it.
        out: folder for evaluation.json and samples.jsonl; None keeps all in memory.
        resume: go on from what `out` holds, if it does.
        overwrite: replace what `out` holds.

    Raises:
        LangsteerError: `out` holds an evaluation and neither was asked for; what there is to
            resume is damaged, or was made with other settings.
    """

    SAME = ("format", "model", "precision", "server", "text", "options")
    # What further languages or conditions add to.
    _GROWING = ("profiles", "neurons_edited")

    def __init__(
        self,
        facts: Mapping[str, Any],
        out: Path | None,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.data: dict[str, Any] = {
            "format": FORMAT,
            **facts,
            "natural": {},
            **{name: [] for name in _LISTS},
        }
        self._out = out
        if out is None:
            return
        out.mkdir(parents=True, exist_ok=True)
        there = (out / FILE).exists()
        if there and not (resume or overwrite):
            raise LangsteerError(
                f"{out} holds an evaluation already; go on from it with --resume, replace it with "
                "--overwrite, or choose another folder"
            )
        if resume and there:
            self._resume(out)
        else:
            (out / SAMPLES).write_text("", encoding="utf-8")
        self.save()

    def has(self, key: Key) -> bool:
        """Whether the cell is there already."""
        return any(tuple(cell[k] for k in KEY) == key for cell in self.data["cells"])

    def add(self, cell: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> None:
        """Append a cell and its outputs, and save."""
        if self._out:
            with (self._out / SAMPLES).open("a", encoding="utf-8") as file:
                for sample in samples:
                    file.write(json.dumps(sample, ensure_ascii=False) + "\n")
        self.data["cells"].append(dict(cell))
        self.save()

    def skip(self, **what: Any) -> None:
        """Note what was left out and why, once."""
        if what not in self.data["skipped"]:
            self.data["skipped"].append(what)

    def save(self) -> None:
        """Replace evaluation.json in one step: a reader never sees half of it."""
        if self._out:
            draft = self._out / f".{FILE}.part"
            text = json.dumps(self.data, ensure_ascii=False, indent=1)
            draft.write_text(text + "\n", encoding="utf-8")
            draft.replace(self._out / FILE)

    def _resume(self, out: Path) -> None:
        try:
            found = json.loads((out / FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LangsteerError(f"cannot resume from {out / FILE}: {error}") from error
        # Who measures no meaning now, or did not then, compares nothing by it.
        both = found.get("meaning") and self.data.get("meaning")
        for name in (*self.SAME, "meaning") if both else self.SAME:
            now = json.loads(json.dumps(self.data.get(name)))
            if found.get(name) != now:
                raise LangsteerError(
                    f"cannot resume: {out / FILE} was made with another {name}, "
                    f"{json.dumps(found.get(name))}, now it is {json.dumps(now)}; "
                    "evaluate anew with --overwrite, or elsewhere"
                )
        for tag, version in found.get("profiles", {}).items():
            if self.data["profiles"].get(tag, version) != version:
                raise LangsteerError(
                    f"cannot resume: {out / FILE} judged {tag}@{version}, the profile is now "
                    f"@{self.data['profiles'][tag]}; evaluate anew with --overwrite"
                )
        for name in self._GROWING:
            self.data[name] = {**found.get(name, {}), **self.data.get(name, {})}
        self.data["meaning"] = self.data.get("meaning") or found.get("meaning")
        for name in ("natural", *_LISTS):
            self.data[name] = found.get(name, self.data[name])
        # Outputs of a cell that was being written when it was interrupted come again.
        done = {tuple(cell[k] for k in KEY) for cell in self.data["cells"]}
        lines = (out / SAMPLES).read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _key(line) in done]
        (out / SAMPLES).write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _key(line: str) -> Key | None:
    try:
        sample = json.loads(line)
        return tuple(sample[k] for k in KEY)
    except (ValueError, KeyError):  # half a line
        return None
