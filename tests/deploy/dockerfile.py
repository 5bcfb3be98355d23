"""deploy/container/Dockerfile, taken apart."""

from __future__ import annotations

import re
from pathlib import Path

FILE = Path(__file__).parents[2] / "deploy/container/Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """(instruction, the rest), in order, with continued lines joined and comments out."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    split = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(word.upper(), " ".join(rest.split())) for word, rest in split]


def stages() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for word, rest in instructions():
        if word == "FROM":
            name = rest.split(" AS ")[-1]
            found[name] = []
        elif found:
            found[name].append((word, rest))
    return found


def copies(stage: str) -> list[str]:
    """What a stage copies from the build context, in order."""
    found = []
    for word, rest in stages()[stage]:
        if word == "COPY" and "--from=" not in rest:
            *sources, _ = [part for part in rest.split() if not part.startswith("--")]
            found += sources
    return found
