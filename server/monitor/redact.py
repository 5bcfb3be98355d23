"""An answer's text without what most often names or identifies somebody."""

from __future__ import annotations

import re

from server.monitor.prose import prose

_CODES = re.compile(r"(?=[^\W_]*\d)(?=[^\W_]*[^\W\d_])[^\W_]+")
_DIGIT = re.compile(r"\d")


def redacted(text: str) -> str:
    """`text` for a log: its language still shows, its details less.

    Code, addresses, e-mails, markup and longer quotations are taken out, words with letters and
    digits in them become "…", other digits 0. Names of people and places stay: nothing here can
    tell them from other words.
    """
    return _DIGIT.sub("0", _CODES.sub("…", prose(text, ("code", "quotes"))))
