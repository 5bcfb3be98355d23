"""Settings of the API server, from LANGSTEER_* environment variables, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from profiles.errors import LangsteerError
from server.monitor.answer_log import LogText
from steering.request import MAX_STRENGTH

PREFIX = "LANGSTEER_"
MonitorMode = Literal["off", "steered", "all"]


class Settings(BaseModel):
    """What `langsteer serve` tells the API server it starts; the option wins over the variable."""

    model_config = ConfigDict(frozen=True)

    profiles_dir: Path = Field(description="Folder of the profile files (--profiles).")
    model: str = Field(description="MODEL as it was given, for messages.")
    max_strength: float = Field(
        default=MAX_STRENGTH,
        gt=0,
        le=MAX_STRENGTH,
        description="Largest strength a request may ask for (--max-strength).",
    )
    policy: Path | None = Field(
        default=None, description="File of the rules that requests must meet (--policy)."
    )
    model_aliases: bool = Field(
        default=False,
        description="Whether NAME:TAG is the model, steered towards TAG (--model-aliases).",
    )
    access: Path | None = Field(
        default=None, description="File of the keys and limits of clients (--access)."
    )
    profile_key: Path | None = Field(
        default=None,
        description="File of public keys, one of which must have signed each profile "
        "(--profile-key).",
    )
    max_body_mb: int = Field(
        default=32,
        ge=1,
        description="Largest body, in MiB, of a request that asks for steering.",
    )
    monitor: MonitorMode = Field(
        default="steered",
        description="Which answers' language is judged: steered ones and those under a policy, "
        "all, or none (--monitor).",
    )
    monitor_log: Path | None = Field(
        default=None, description="File that some of them are logged to (--monitor-log)."
    )
    monitor_sample: float = Field(
        default=0.01, ge=0, le=1, description="Share of them that is logged (--monitor-sample)."
    )
    monitor_sample_miss: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the misses that is logged (--monitor-sample-miss).",
    )
    monitor_text: LogText = Field(
        default="none", description="Whether their text is logged, and how (--monitor-text)."
    )
    request_log: Path | None = Field(
        default=None,
        description="File that requests are logged to, a JSON object a line (--request-log).",
    )
    playground: bool = Field(
        default=True, description="Whether there is a page to try steering on (--playground)."
    )
    metrics_timeout: float = Field(
        default=1.0,
        gt=0,
        description="Seconds /metrics waits for the engine before it shows the last figures.",
    )

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of this process.

        Raises:
            LangsteerError: a variable is missing or has a bad value; the text lists them all.
        """
        try:
            return cls.model_validate(
                {
                    name: environment[variable]
                    for name in cls.model_fields
                    if (variable := PREFIX + name.upper()) in environment
                }
            )
        except ValidationError as error:
            wrong = "; ".join(
                f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()
            )
            raise LangsteerError(f"bad settings: {wrong}") from error
