"""What the user wrote last, and what a request says of the user's locale."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Characters. A language shows in a few dozen; what identification costs grows with all of them.
LONGEST = 800
_LOCALE = re.compile(r"(?:^|[\s,;|&?])locale=([A-Za-z0-9_-]{2,35})")
_TEXTS = frozenset({"text", "input_text"})


def last_user_text(body: Mapping[str, Any]) -> str:
    """The end of the last text the user wrote, at most 800 characters; "" where there is none.

    Chat's and Anthropic's `messages`, `input` of the Responses API, `prompt` of completions
    where it is one string. The end, since templates put documents first and the question last.
    """
    for key in ("messages", "input"):
        if isinstance(turns := body.get(key), list):
            for turn in reversed(turns):
                if isinstance(turn, Mapping) and turn.get("role") == "user":
                    text = _end(turn.get("content"))
                    if text.strip():
                        return text
    for key in ("input", "prompt"):
        if isinstance(whole := body.get(key), str):
            return whole[-LONGEST:]
    return ""


def locale(body: Mapping[str, Any]) -> str:
    """`metadata.locale`, or `locale=xx-YY` within `user`; "" where neither is there."""
    metadata = body.get("metadata")
    found = metadata.get("locale") if isinstance(metadata, Mapping) else None
    if found is None and isinstance(user := body.get("user"), str):
        match = _LOCALE.search(user[:1000])
        found = match[1] if match else None
    # POSIX writes de_DE.UTF-8 and sr_RS@latin.
    return re.split(r"[.@]", found, maxsplit=1)[0] if isinstance(found, str) else ""


def _end(content: Any) -> str:
    """The end of a message's text, be it one string or several parts."""
    if isinstance(content, str):
        return content[-LONGEST:]
    text = ""
    for part in reversed(content) if isinstance(content, list) else ():
        if isinstance(part, Mapping) and part.get("type") in _TEXTS:
            more = part.get("text")
            text = f"{more[-LONGEST:]}\n{text}" if isinstance(more, str) else text
        if len(text) >= LONGEST:
            break
    return text[-LONGEST:]
