"""A shared profile, checked, with everything that came with it."""

from __future__ import annotations

from dataclasses import dataclass

from profiles import store
from profiles.errors import ProfileError
from profiles.profile import ModelIdentity, Profile
from profiles.sharing.digest import sha256
from profiles.sharing.fetcher import MissingError
from profiles.sharing.keys import PublicKeys
from profiles.sharing.listing import SharedFile
from profiles.sharing.names import profile_name
from profiles.sharing.source import Source

# A profile's is some 10 kB; parsed, one as long as a file may be would take gigabytes.
MOST_HEADER = 16 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Artefact:
    """One profile's file.

    Attributes:
        profile: what it holds.
        data: the file.
        created: when it was written, ISO 8601.
        signature: the file beside it, None where it is not signed.
        comment: what is signed with it, where a key was given to check; else None.
    """

    profile: Profile
    data: bytes
    created: str
    signature: bytes | None = None
    comment: str | None = None

    @property
    def name(self) -> str:
        """Of the file."""
        return profile_name(self.profile.language)

    @property
    def label(self) -> str:
        """name@version, as clients see it."""
        return f"{self.profile.language}@{self.profile.version}"

    @property
    def sha256(self) -> str:
        """Of the file, hex."""
        return sha256(self.data)


def read_artefact(
    source: Source,
    file: SharedFile,
    *,
    keys: PublicKeys | None = None,
    expect: ModelIdentity | None = None,
) -> Artefact:
    """One profile of a source, verified: digest, then signature, then all that `store` checks.

    Args:
        source: where it is.
        file: of the source's listing.
        keys: one of which must have signed it.
        expect: the model that it must be of.

    Raises:
        SharingError, ProfileError: something is not as it must be.
    """
    listing = source.listing()
    data = source.read(file)
    signature = _signature(source, listing.signature(file.name))
    comment = keys.check(data, signature, file.name) if keys else None
    origin = f"{listing.label}: {file.name}"
    if (length := int.from_bytes(data[:8], "little")) > min(MOST_HEADER, len(data)):
        raise ProfileError(
            f"{origin}: truncated or not a safetensors file: it begins with a header of {length} "
            f"bytes, in {len(data)}"
        )
    profile = store.loads(data, origin, expect)
    if file.name != profile_name(profile.language):
        raise ProfileError(
            f"{origin} holds language {profile.language!r}, so it is no {file.name}: renamed, or "
            "put in another's place"
        )
    return Artefact(
        profile=profile,
        data=data,
        created=store.created(data, origin),
        signature=signature,
        comment=comment,
    )


def _signature(source: Source, file: SharedFile | None) -> bytes | None:
    if file is None:
        return None
    try:
        return source.read(file)
    except MissingError:
        if file.sure:
            raise
        return None
