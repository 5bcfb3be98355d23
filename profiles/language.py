"""BCP 47 language tags: checked and brought to their usual spelling."""

from __future__ import annotations

import re

from profiles.errors import CorpusError

# RFC 5646, without grandfathered and private-use-only tags: language[-script][-region]
# [-variants][-extensions][-private use].
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|\d{3}))?"
    r"(?P<rest>(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?)",
    re.IGNORECASE,
)


def check_tag(tag: str) -> str:
    """The tag in its usual spelling: "zh_hans_cn" → "zh-Hans-CN".

    Raises:
        CorpusError: not a well-formed BCP 47 tag.
    """
    match = _TAG.fullmatch(tag.strip().replace("_", "-"))
    if not match:
        raise CorpusError(f"{tag!r} is not a BCP 47 language tag such as de, pt-BR or zh-Hans")
    script, region = match["script"] or "", match["region"] or ""
    parts = [match["language"].lower(), script.title(), region.upper()]
    return "-".join(p for p in parts if p) + match["rest"].lower()
