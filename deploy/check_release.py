"""Does everything that names a version name this one? Standard library only.

check_release.py v1.2.3            exit status 0 where it does; else 1, and what does not
check_release.py v1.2.3 --notes    print its section of CHANGELOG.md
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """What keeps `tag` from being released; empty where nothing does."""
    if not re.fullmatch(r"v\d+\.\d+\.\d+((a|b|rc)\d+)?", tag):
        return [f"the tag is {tag!r}, expected v and a version, e.g. v1.2.3 or v1.2.3rc1"]
    version = tag.removeprefix("v")
    named = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    found = [] if named == version else [f"pyproject.toml: version is {named}, the tag {version}"]
    container = (root / "deploy/container/Dockerfile").read_text()
    others = {*re.findall(r"^ARG VERSION=(.*)$", container, re.MULTILINE)} - {version}
    found += [
        f"deploy/container/Dockerfile: VERSION is {other}, the tag {version}"
        for other in sorted(others)
    ]
    if not notes(tag, root):
        found.append(
            f"CHANGELOG.md: no text below '## [{version}]'; rename [Unreleased] to it, with a date"
        )
    return found


def notes(tag: str, root: Path = ROOT) -> str:
    """The changelog's section of a release; empty where there is none."""
    text = (root / "CHANGELOG.md").read_text()
    heading = rf"^## \[{re.escape(tag.removeprefix('v'))}\].*\n"
    _, *after = re.split(heading, text, maxsplit=1, flags=re.MULTILINE)
    return (
        re.split(r"^## \[|^\[", after[0], maxsplit=1, flags=re.MULTILINE)[0].strip()
        if after
        else ""
    )


def main(tag: str, *rest: str) -> int:
    """Check or print; the exit status."""
    found = problems(tag)
    print(*found, sep="\n", file=sys.stderr, end="\n" if found else "")
    if not found and rest == ("--notes",):
        print(notes(tag))
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
