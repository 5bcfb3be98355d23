"""What every mapping of an operator's file has in common, as pydantic reads it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
HASH = r"^sha256:[0-9a-f]{64}$"

# Names travel in response headers and in metrics' labels.
Name = Annotated[str, StringConstraints(pattern=NAME)]
KeyHash = Annotated[str, StringConstraints(pattern=HASH)]


class Part(BaseModel):
    """A mapping of the file: no unknown keys, no empty values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _is_not_empty(cls, value: Any) -> Any:
        # Empty could mean "none" or "as in the defaults": the file has to say which.
        if value is None:
            raise ValueError("is empty: leave the key out to inherit it, write [] for none")
        return value
