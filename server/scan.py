"""Read and verify every profile file of a folder, keeping the bytes that workers will get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from profiles import store
from profiles.errors import ProfileError, SharingError
from profiles.profile import ModelIdentity, Profile
from profiles.sharing.keys import PublicKeys
from profiles.sharing.listing import MOST_SIGNATURE_BYTES
from profiles.sharing.names import signature_name
from server.catalog import Entry
from server.languages import LanguageTag


@dataclass(frozen=True, kw_only=True)
class ProfileFile:
    """One good file: the profile, and the very bytes it was read from."""

    profile: Profile
    data: bytes
    created: str

    @property
    def name(self) -> str:
        """What clients call it."""
        return self.profile.language

    def holds(self, entry: Entry) -> bool:
        """Whether what was loaded is what the file has, to the bit."""
        return self.profile.content_hash == entry.profile.content_hash


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One bad file: its name in the folder, and what is wrong with it."""

    file: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a folder holds, good files by name and bad ones."""

    files: dict[str, ProfileFile]
    refused: tuple[Refusal, ...]


class Scanner(Protocol):
    """Reads a folder: all of it, or the one file of the name `only`."""

    def __call__(self, only: str | None = None) -> Scan: ...


def scan(
    folder: Path, model: ModelIdentity, only: str | None = None, *, keys: PublicKeys | None = None
) -> Scan:
    """Every profile file of `folder`, verified against `model`.

    Args:
        folder: of files "<name>.safetensors".
        model: what they must have been made for.
        only: a name; other files are not read. It is compared with the names that the folder
            lists and is never part of a path.
        keys: one of which must have signed each file; None asks for no signatures.

    Raises:
        ProfileError: the folder itself cannot be read.
    """
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix == store.SUFFIX and p.name[0] != ".")
    except OSError as error:
        raise ProfileError(
            f"cannot read the profile folder {folder} ({error.strerror or error}); make profiles "
            f"with `langsteer profile {model.name} --out {folder}`"
        ) from error
    if only is not None:
        paths = [path for path in paths if path.stem == only]
    files: dict[str, ProfileFile] = {}
    refused: list[Refusal] = []
    for path in paths:
        try:
            file = _read(path, model, keys)
            if any(file.name.lower() == name.lower() for name in files):
                raise ProfileError(f"{path.name}: another file holds {file.name!r} already")
            files[file.name] = file
        except (ProfileError, SharingError) as error:
            refused.append(Refusal(file=path.name, reason=str(error)))
    return Scan(files=files, refused=tuple(refused))


def _read(path: Path, model: ModelIdentity, keys: PublicKeys | None) -> ProfileFile:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProfileError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    if keys is not None:  # of these very bytes, which are what workers get
        keys.check(data, _signature(path), path.name)
    profile = store.loads(data, path.name, model)
    if path.stem != profile.language:
        raise ProfileError(
            f"{path.name} holds language {profile.language!r}; "
            f"name it {profile.language}{store.SUFFIX}"
        )
    try:
        LanguageTag.parse(profile.language)
    except ValueError as error:
        raise ProfileError(f"{path.name}: language {profile.language!r}: {error}") from error
    return ProfileFile(profile=profile, data=data, created=store.created(data, path.name))


def _signature(path: Path) -> bytes | None:
    """The signature beside a file, None where there is none."""
    try:
        with path.with_name(signature_name(path.name)).open("rb") as data:
            return data.read(MOST_SIGNATURE_BYTES)
    except OSError:
        return None
