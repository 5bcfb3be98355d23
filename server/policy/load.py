"""From the bytes of a policy file to a policy, or to everything that is wrong with it."""

from __future__ import annotations

import hashlib

from server.keyring import Keyring
from server.policy.book import Book, Clause
from server.policy.check import errors, warnings
from server.policy.document import DEFAULTS, Document, When
from server.policy.terms import Terms
from server.yamlfile.document import read_document
from server.yamlfile.finding import problem, refused
from steering.request import MAX_STRENGTH


def load(data: bytes, max_strength: float = MAX_STRENGTH) -> Book:
    """A policy.

    Args:
        data: the file's bytes.
        max_strength: the largest strength the server allows.

    Raises:
        FileError: it cannot be used; holds every problem found, each with place and line.
    """
    document, value, lines = read_document(
        data, Document, shape="that begins with `version: 1`", secret="tenants"
    )
    terms = [Terms.of(rule, document.defaults, max_strength) for rule in document.rules]
    rest = Terms.of(document.defaults, document.defaults, max_strength)
    if wrong := errors(document, terms, rest, max_strength):
        raise refused(wrong, lines, value)
    clauses = [
        Clause(name=rule.name, when=rule.when, terms=own)
        for rule, own in zip(document.rules, terms, strict=True)
    ]
    return Book(
        clauses=(*clauses, Clause(name=DEFAULTS, when=When(), terms=rest)),
        tenants=Keyring(document.tenants),
        document=document,
        digest=hashlib.sha256(data).hexdigest(),
        warnings=tuple(
            str(problem(place, text, lines, value)) for place, text in warnings(document, terms)
        ),
    )
