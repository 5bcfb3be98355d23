"""The chart's README gets its table of values from values.yaml.

python deploy/helm/values_table.py writes it; a test finds a table that was not written anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "langsteer"
BEGIN, END = "<!-- values -->\n", "<!-- /values -->"
_SAID = re.compile(r"^( *)# -- (.*)$")
_KEY = re.compile(r"^( *)([A-Za-z]+):")


def described(text: str) -> dict[tuple[str, ...], str]:
    """Path of a value -> what `# --` above it says."""
    found: dict[tuple[str, ...], str] = {}
    path: list[str] = []
    said = ""
    for line in text.splitlines():
        if match := _SAID.match(line):
            said = match[2]
        elif match := _KEY.match(line):
            path = [*path[: len(match[1]) // 2], match[2]]
            if said:
                found[tuple(path)] = said
            said = ""
    return found


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of the values that hold no others."""
    if not isinstance(value, dict) or not value:
        return [path]
    return [leaf for key, each in value.items() for leaf in leaves(each, (*path, key))]


def table(text: str) -> str:
    """The table in Markdown.

    Args:
        text: of values.yaml.

    Raises:
        ValueError: a value is not described; names each.
    """
    values, found = yaml.safe_load(text), described(text)
    bare = [
        ".".join(leaf)
        for leaf in leaves(values)
        if not any(leaf[:n] in found for n in range(1, len(leaf) + 1))
    ]
    if bare:
        raise ValueError(f"values.yaml says nothing about {', '.join(bare)}: add a `# --` above")
    lines = ["| Value | Default | |", "| --- | --- | --- |"]
    for path, said in found.items():
        value = values
        for key in path:
            value = value[key]
        lines.append(f"| `{'.'.join(path)}` | `{json.dumps(value)}` | {said} |")
    return "\n".join(lines) + "\n"


def readme(before: str, text: str) -> str:
    """The README with the table of values.yaml's `text`."""
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table(text)}{END}{tail}"


if __name__ == "__main__":
    file = CHART / "README.md"
    file.write_text(readme(file.read_text(), (CHART / "values.yaml").read_text()))
