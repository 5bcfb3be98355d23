"""The policy in force."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from server.schemas.answer import Answer


class PolicyAnswer(Answer):
    """The policy in force."""

    object: Literal["steering.policy"]
    path: str = Field(description="Of its file.")
    loaded_at: int = Field(description="Seconds since the epoch, when it was read.")
    digest: str = Field(description="SHA-256 of the file.")
    warnings: list[str] = Field(
        description="What is allowed and probably not meant, and what no loaded profile can give."
    )
    policy: dict[str, Any] = Field(
        description="The file's fields (`langsteer policy schema`); of keys' hashes the beginnings."
    )

    example: ClassVar[dict[str, Any]] = {
        "object": "steering.policy",
        "path": "/etc/langsteer/policy.yaml",
        "loaded_at": 1777888800,
        "digest": "9f86" * 16,
        "warnings": [],
        "policy": {
            "version": 1,
            "defaults": {"target": ["accept-language", {"language": "en"}]},
            "tenants": {"acme": ["sha256:dc81b088…"]},
            "rules": [
                {"name": "acme", "when": {"tenant": ["acme"]}, "target": [{"language": "ja"}]}
            ],
        },
    }
