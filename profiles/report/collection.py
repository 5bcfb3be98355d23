"""The profiles of one folder, which must all be of one model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from profiles.errors import ProfileError
from profiles.models.fingerprint import differences
from profiles.profile import ModelIdentity, Profile
from profiles.store import SUFFIX, created, list_profiles


@dataclass(frozen=True, kw_only=True, eq=False)
class Collection:
    """Profiles of one model.

    Attributes:
        folder: where they are.
        profiles: by language.
        created: when each was written, ISO 8601.
    """

    folder: Path
    profiles: dict[str, Profile]
    created: dict[str, str]

    @property
    def model(self) -> ModelIdentity:
        """The model; its name as the first profile has it."""
        return next(iter(self.profiles.values())).model


def read_collection(folder: Path, expect: ModelIdentity | None = None) -> Collection:
    """The profiles in `folder`.

    Args:
        folder: holds `<language>.safetensors` files.
        expect: the model they must be of; None takes any, as long as it is one.

    Raises:
        ProfileError: no folder, no profile in it, a damaged one, or profiles of several models.
    """
    found, errors = list_profiles(folder, expect)
    if errors:
        more = f" (and {len(errors) - 1} more such files)" if len(errors) > 1 else ""
        raise ProfileError(f"{errors[0]}{more}")
    first, *others = found.values()
    for other in others:
        if differing := differences(first.model, other.model):
            raise ProfileError(
                f"{folder} holds profiles of different models: {first.language} of "
                f"{first.model.name}, {other.language} of {other.model.name}: {differing}; a "
                "report is of one model, keep each model's profiles in a folder of their own"
            )
    files = {tag: folder / f"{tag}{SUFFIX}" for tag in found}
    return Collection(
        folder=folder,
        profiles=found,
        created={tag: created(file.read_bytes(), str(file)) for tag, file in files.items()},
    )
