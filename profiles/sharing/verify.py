"""Judge every profile of a place, one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from profiles.errors import LangsteerError
from profiles.profile import ModelIdentity
from profiles.sharing.artefact import read_artefact
from profiles.sharing.keys import PublicKeys
from profiles.sharing.pull import choose
from profiles.sharing.source import Source


def verify(
    source: Source,
    languages: Collection[str] = (),
    *,
    keys: PublicKeys | None = None,
    expect: ModelIdentity | None = None,
) -> list[dict[str, Any]]:
    """A verdict a file: {"file", "label", "checked", "problem"}; "problem" is None of a good one.

    Args:
        source: the place.
        languages: which, all by default.
        keys: one of which must have signed each.
        expect: the model that they must be of.

    Raises:
        SharingError: the place itself cannot be judged, or holds no profiles.
    """
    rows = []
    for file in choose(source, languages):
        row: dict[str, Any] = {"file": file.name, "label": None, "checked": [], "problem": None}
        try:
            artefact = read_artefact(source, file, keys=keys, expect=expect)
        except LangsteerError as error:
            row["problem"] = str(error)
        else:
            row["label"] = artefact.label
            listed = ["SHA-256"] if file.sha256 else ["digest"] if file.git_sha1 else []
            row["checked"] = [
                *listed,
                "format",
                "content hash",
                *(["model"] if expect else []),
                *(["signature"] if keys else []),
            ]
        rows.append(row)
    return rows
