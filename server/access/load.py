"""From the bytes of an access file to its rules, or to everything that is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from server.access.document import Document, Limits
from server.access.rules import Rules
from server.yamlfile.document import read_document
from server.yamlfile.finding import Finding, problem, refused
from server.yamlfile.text import Path


def load(data: bytes) -> Rules:
    """The rules.

    Args:
        data: the file's bytes.

    Raises:
        FileError: it cannot be used; holds every problem found, each with place and line.
    """
    document, value, lines = read_document(
        data, Document, shape="with `keys`, `limits` or both", secret="keys"
    )
    if wrong := [*_twice(document)]:
        raise refused(wrong, lines, value)
    warnings = tuple(str(problem(place, text, lines, value)) for place, text in _unlikely(document))
    return Rules(document, hashlib.sha256(data).hexdigest(), warnings)


def _twice(document: Document) -> Iterator[Finding]:
    names: set[str] = set()
    owner: dict[str, str] = {}
    for i, key in enumerate(document.keys or ()):
        if key.name in names:
            yield ("keys", i, "name"), f"{key.name} is there twice: put its hashes into one entry"
        names.add(key.name)
        for j, each in enumerate(key.hashes):
            if each in owner:
                text = f"this key is {owner[each]}'s already: a key belongs to one entry"
                yield ("keys", i, "hashes", j), text
            owner[each] = key.name


def _unlikely(document: Document) -> Iterator[Finding]:
    if document.keys is None:
        text = "no keys: everybody who reaches the server may use it, and operate it"
        yield (), text
    elif not any(key.admin for key in document.keys):
        yield ("keys",), "none is admin: every one of them may operate the server"
    whole = document.server.concurrent
    limits: list[tuple[Path, Limits]] = [(("limits",), document.limits)]
    limits += [(("keys", i, "limits"), key.limits) for i, key in enumerate(document.keys or ())]
    for place, each in limits:
        own = each.concurrent
        if whole is not None and own is not None and own > whole:
            text = f"{own} is over server.concurrent, {whole}, which is met first"
            yield (*place, "concurrent"), text
