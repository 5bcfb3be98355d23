"""A model's chat template as a function of turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def chat_turn(tokenizer: Any) -> Callable[[str, str | None], str] | None:
    """(user's turn, system prompt or None) → the text up to where the answer begins, without a
    BOS that the tokenizer will add.

    None for a tokenizer without a chat template. Templates that refuse a system role get the
    system prompt as the beginning of the user's turn, as such models expect it.
    """
    if not getattr(tokenizer, "chat_template", None):
        return None

    first = [*tokenizer("a").input_ids][:1]
    added = bool(tokenizer.bos_token) and first == [tokenizer.bos_token_id]

    def apply(messages: list[dict[str, str]]) -> str:
        text = str(
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
        # Where the tokenizer adds BOS itself it would be there twice; elsewhere it is the
        # template's own, and may be what opens a turn.
        return text.removeprefix(tokenizer.bos_token) if added else text

    def turn(user: str, system: str | None) -> str:
        asked = {"role": "user", "content": user}
        if system is None:
            return apply([asked])
        try:
            return apply([{"role": "system", "content": system}, asked])
        # Templates raise what their authors wrote.
        except Exception:  # noqa: BLE001
            return apply([{"role": "user", "content": f"{system}\n\n{user}"}])

    return turn
