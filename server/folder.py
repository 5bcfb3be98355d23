"""The profile folder of a command line, every file of which must be good."""

from __future__ import annotations

from pathlib import Path

from profiles.errors import ProfileError
from profiles.profile import ModelIdentity
from profiles.ready.folder import profile_folder
from profiles.sharing.keys import PublicKeys
from server.scan import ProfileFile, scan


def read_folder(
    given: Path, model: ModelIdentity, keys: PublicKeys | None = None
) -> tuple[Path, list[ProfileFile]]:
    """(where it is, its files); `given` may be "ready", `keys` demand signatures.

    Raises:
        ProfileError: there is no such folder, it is empty, or files are bad; says which and why.
    """
    folder = profile_folder(given)
    if not folder.is_dir():
        raise ProfileError(f"there is no folder {folder}; make it with `langsteer profile`")
    found = scan(folder, model, keys=keys)
    if found.refused:
        listing = "\n  ".join(refusal.reason for refusal in found.refused)
        raise ProfileError(f"{len(found.refused)} bad files in {folder}:\n  {listing}")
    if not found.files:
        raise ProfileError(
            f"{folder} holds no profile files; make them with "
            f"`langsteer profile {model.name} --out {folder}`"
        )
    return folder, list(found.files.values())
