"""Where a profile came from."""

from __future__ import annotations

from pydantic import Field

from server.schemas.answer import Answer


class Origin(Answer):
    """What a profile's file tells of its making; null is what it does not tell."""

    corpus: str | None = Field(default=None, description="Its name; of a folder, the last part.")
    corpus_sha256: str | None = Field(default=None, description="Of its text.")
    languages: list[str] | None = Field(default=None, description="That were told apart.")
    sentences: int | None = Field(default=None, description="Of each language.")
    tokens: int | None = Field(default=None, description="Of the profile's language.")
    seed: int | None = Field(default=None, description="Of what was drawn at random.")
