"""The access file as pydantic reads it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool

from server.yamlfile.part import KeyHash, Name, Part

Count = Annotated[int, Field(strict=True, ge=1, le=10**9)]


class Limits(Part):
    """How much one client may ask for."""

    requests_per_minute: Count | None = Field(
        default=None, description="Requests it may begin within a minute. Default: any number."
    )
    concurrent: Count | None = Field(
        default=None,
        description="Requests it may have in flight, streams until their end. Default: any number.",
    )


class Key(Part):
    """Somebody who has API keys."""

    name: Name = Field(description="Whose keys these are, for you to read; each name once.")
    hashes: Annotated[tuple[KeyHash, ...], Field(min_length=1)] = Field(
        description="Hashes of its keys, from `langsteer access hash-key`; several, to rotate."
    )
    admin: StrictBool = Field(
        default=False,
        description="`true`: may operate the server. Once a key may, no other does. "
        "Default `false`.",
    )
    limits: Limits = Field(
        default_factory=Limits,
        description="Its own limits; what they leave out is taken from `limits` of the file.",
    )


class ServerLimits(Part):
    """How much all clients together may ask for, and any request."""

    concurrent: Count | None = Field(
        default=None,
        description="Requests in flight, all clients' together. Default: any number.",
    )
    max_headers_kb: Count | None = Field(
        default=None,
        description="KiB that all headers of a request may have together. Default: the HTTP "
        "server's own limit.",
    )
    max_body_mb: Count | None = Field(
        default=None, description="MiB that a request's body may have. Default: any number."
    )


class Document(Part):
    """An access file."""

    # Not empty: a list that lost its entries would open the server.
    keys: Annotated[tuple[Key, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Who may use the server. Left out: everybody who reaches it.",
    )
    limits: Limits = Field(
        default_factory=Limits,
        description="Of each entry of `keys`; without `keys`, of each client address.",
    )
    server: ServerLimits = Field(
        default_factory=ServerLimits, description="Of the server as a whole."
    )
