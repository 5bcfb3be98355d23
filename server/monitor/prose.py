"""What of an answer is its author's own prose: without code, quotations, and foreign names."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

Excluded = Literal["code", "quotes", "names"]

# Every pattern is bounded or tried at few places: answers are nobody's trusted input.
_SPANS = re.compile(
    r"(?<!`)`[^`\n]{1,300}`(?!`)"
    r"|(?:https?://|www\.)[^\s<>]+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}"
    r"|</?[a-zA-Z][^<>\n]{0,200}>"
    r"|\$\$[^$]{1,500}\$\$"
    r"|\$(?=\S)[^$\n]{1,200}(?<=\S)\$(?!\d)"
    r"|\\\((?:(?!\\\().){1,300}?\\\)"
    r"|\\\[(?:(?!\\\[)[\s\S]){1,500}?\\\]"
)
_LIST_ITEM = re.compile(r" {0,3}(?:[-*+]|\d{1,3}[.)]) ")
_QUOTED = re.compile(
    r"„[^“”„\n]{1,600}[“”]"
    r"|“[^”“\n]{1,600}”"
    r"|«[^»«\n]{1,600}»"
    r"|»[^«»\n]{1,600}«"
    r"|(?<![\w\"])\"(?=\S)[^\"\n]{1,600}(?<=\S)\"(?!\w)"
    r"|「[^」「\n]{1,600}」"
    r"|『[^』『\n]{1,600}』"
)
_FEW_WORDS = 3
_FEW_IDEOGRAPHS = 10
# Beyond this share the quotation marks set off no foreign matter: they are the answer's dialogue.
_MOSTLY = 2 / 3
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_NAMES = re.compile(r"(?<![A-Za-zÀ-ɏ])[A-ZÀ-ÞĀ-Ž][\w.&'’-]*(?:[ \t]+[A-ZÀ-Þ0-9][\w.&'’-]*)*")


def prose(text: str, exclude: Collection[Excluded]) -> str:
    """`text` without what `exclude` names.

    Args:
        text: an answer, or a part of one that does not begin within a block of code.
        exclude: "code": fenced and indented blocks, inline code, addresses, markup, LaTeX;
            "quotes": block quotations, and what is longer than a few words between quotation
            marks, unless most of the text is; "names": where most letters are of another
            script, Latin words with a capital and those that follow them.
    """
    if "code" in exclude:
        text = _SPANS.sub(" ", _without_blocks(text))
    if "quotes" in exclude:
        own = _QUOTED.sub(_short, _without_block_quotes(text))
        if letters(own) >= letters(text) * (1 - _MOSTLY):
            text = own
    if "names" in exclude and len(_LATIN.findall(text)) * 2 < letters(text):
        text = _NAMES.sub(" ", text)
    return text


def fence(line: str) -> str:
    """The marks that open or close a block of code in this line; "" where it does neither."""
    stripped = line.lstrip()
    for mark in ("```", "~~~"):
        if stripped.startswith(mark) and (mark == "~~~" or "`" not in stripped.lstrip("`")):
            return mark
    return ""


def letters(text: str) -> int:
    """How many letters a text has."""
    return sum(map(str.isalpha, text))


def _without_blocks(text: str) -> str:
    kept: list[str] = []
    opened = ""
    blank, indented, listed = True, False, False
    for line in text.splitlines():
        if mark := fence(line):
            opened = "" if opened == mark else opened or mark
            continue
        if opened:
            continue
        if not line.strip():
            blank = True
            kept.append("")
            continue
        deep = line.startswith(("    ", "\t"))
        # Within a list, indentation continues an item; elsewhere, after a blank line, it is code.
        indented = deep and not listed and (blank or indented)
        if not deep:
            listed = bool(_LIST_ITEM.match(line))
        blank = False
        if not indented:
            kept.append(line)
    return "\n".join(kept)


def _without_block_quotes(text: str) -> str:
    if ">" not in text:
        return text
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(">"))


def _short(match: re.Match[str]) -> str:
    """A quotation of a few words, which changes nobody's language; nothing for a longer one."""
    quoted = match[0]
    wide = sum(ord(c) > 0x2E80 for c in quoted)
    few = len(quoted.split()) <= _FEW_WORDS and wide <= _FEW_IDEOGRAPHS
    return quoted if few else " "
