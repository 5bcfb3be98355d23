"""What an application on Ray Serve is told."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from profiles.ready.folder import profile_folder

# Options of `langsteer serve` that are set here, or that a replica could not keep to.
_OURS = ("--profiles", "--port", "--host", "--uds")


class Options(BaseModel):
    """Arguments of `server.on_ray.application:build`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="MODEL of `langsteer serve`; every node must be able to get it.")
    profiles: Path = Field(
        description="Folder of profile files, or `ready`. The board reads it, on the node where "
        "the application is built; replicas get the files from there."
    )
    replicas: int = Field(default=2, ge=1, description="Servers to start with.")
    options: tuple[str, ...] = Field(
        default=(), description="Of `langsteer serve`, vLLM's included; a list, or a line."
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="Variables of the servers, beside their node's."
    )
    gpus: float = Field(default=0, ge=0, description="GPUs of a replica, as Ray counts them.")
    cpus: float = Field(default=1, ge=0, description="CPUs of a replica, as Ray counts them.")
    max_ongoing_requests: int = Field(
        default=256, ge=1, description="Of a replica; more wait in Ray Serve."
    )
    operator_key_variable: str | None = Field(
        default=None,
        description="Variable that holds the API key with which replicas change their own server: "
        "an admin key where `--access` has some, vLLM's `--api-key` where that is set.",
    )
    start_seconds: float = Field(
        default=1800, gt=0, description="How long a server may take to become ready."
    )
    answer_seconds: float = Field(
        default=300, gt=0, description="How long a replica may take to load new profiles."
    )
    name: str = Field(default="langsteer", description="Of the board, and of the deployment.")

    @field_validator("options", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(shlex.split(value)) if isinstance(value, str) else value

    @field_validator("options")
    @classmethod
    def _check(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for option in value:
            name = option.partition("=")[0]
            if name in _OURS:
                raise ValueError(f"{name} is set by the replica; leave it out")
            if name == "--headless":
                raise ValueError("--headless starts no API server, which a replica needs")
        return value

    @property
    def folder(self) -> Path:
        """Where the profile files are."""
        return profile_folder(self.profiles).resolve()

    def operator_key(self) -> str | None:
        """The key with which a replica changes its own server.

        Raises:
            ValueError: the variable is not set on this node.
        """
        if self.operator_key_variable is None:
            return None
        if key := os.environ.get(self.operator_key_variable):
            return key
        raise ValueError(f"{self.operator_key_variable} is not set on this node")
