"""Whether a text repeats itself, the way a steered model does when pushed too far."""

from __future__ import annotations

GRAM = 8


def is_repetitive(text: str) -> bool:
    """True where over half of the text's 8-character grams occurred in it before."""
    return repeated_share(text) > 0.5


def repeated_share(text: str) -> float:
    """Share of the 8-character grams that occurred before; 0 for texts too short to repeat."""
    text = " ".join(text.split())
    count = len(text) - GRAM + 1
    if count <= 1:
        return 0.0
    return 1 - len({text[i : i + GRAM] for i in range(count)}) / count
