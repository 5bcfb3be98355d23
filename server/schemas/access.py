"""The access file in force."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from server.schemas.answer import Answer


class ClientLimits(Answer):
    """How much one client may ask for; null is any number."""

    requests_per_minute: int | None = Field(description="Requests it may begin within a minute.")
    concurrent: int | None = Field(description="Requests it may have in flight.")


class AllLimits(Answer):
    """How much all clients together may ask for, and any request; null is no limit of ours."""

    concurrent: int | None = Field(description="Requests in flight, all clients' together.")
    max_headers_kb: int | None = Field(description="KiB of a request's headers.")
    max_body_mb: int | None = Field(description="MiB of a request's body.")


class AccessKey(Answer):
    """Somebody who has API keys."""

    name: str = Field(description="Whose keys these are.")
    hashes: int = Field(description="How many keys it has.")
    admin: bool = Field(description="Whether it may operate the server.")
    limits: ClientLimits = Field(description="That hold for it.")


class AccessAnswer(Answer):
    """The access file in force, without a hash."""

    object: Literal["steering.access"]
    path: str = Field(description="Of its file.")
    loaded_at: int = Field(description="Seconds since the epoch, when it was read.")
    digest: str = Field(description="SHA-256 of the file.")
    warnings: list[str] = Field(description="What is allowed and probably not meant.")
    keys: list[AccessKey] | None = Field(description="null where no key is needed.")
    limits: ClientLimits = Field(
        description="Of each key that has none of its own; without keys, of each address."
    )
    server: AllLimits = Field(description="Of the server as a whole.")

    example: ClassVar[dict[str, Any]] = {
        "object": "steering.access",
        "path": "/etc/langsteer/access.yaml",
        "loaded_at": 1777888800,
        "digest": "9f86" * 16,
        "warnings": [],
        "keys": [
            {
                "name": "acme",
                "hashes": 2,
                "admin": False,
                "limits": {"requests_per_minute": 600, "concurrent": 8},
            }
        ],
        "limits": {"requests_per_minute": 60, "concurrent": 8},
        "server": {"concurrent": 256, "max_headers_kb": 16, "max_body_mb": None},
    }
