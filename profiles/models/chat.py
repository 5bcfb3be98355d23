"""A model's chat template as a function of turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from profiles.models.beginning import adds_bos


def chat_text(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> str:
    """A conversation up to where the answer begins, without a BOS that the tokenizer will add.

    Args:
        tokenizer: has a chat template.
        messages: each with a "role" and its "content".
    """
    text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    # Where the tokenizer adds BOS itself it would be there twice; elsewhere it is the template's
    # own, and may be what opens a turn.
    return text.removeprefix(tokenizer.bos_token) if adds_bos(tokenizer) else text


def chat_turn(tokenizer: Any) -> Callable[[str, str | None], str] | None:
    """(user's turn, system prompt or None) → the text as of `chat_text`.

    None for a tokenizer without a chat template. Templates that refuse a system role get the
    system prompt as the beginning of the user's turn, as such models expect it.
    """
    if not getattr(tokenizer, "chat_template", None):
        return None

    def turn(user: str, system: str | None) -> str:
        asked = {"role": "user", "content": user}
        if system is None:
            return chat_text(tokenizer, [asked])
        try:
            return chat_text(tokenizer, [{"role": "system", "content": system}, asked])
        # Templates raise what their authors wrote.
        except Exception:  # noqa: BLE001
            return chat_text(tokenizer, [{"role": "user", "content": f"{system}\n\n{user}"}])

    return turn
