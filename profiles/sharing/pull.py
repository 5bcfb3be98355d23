"""Profiles from anywhere into a folder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from profiles.errors import SharingError
from profiles.profile import ModelIdentity
from profiles.sharing.artefact import Artefact, read_artefact
from profiles.sharing.change import Change, plan
from profiles.sharing.folder_target import FolderTarget
from profiles.sharing.keys import PublicKeys
from profiles.sharing.listing import SharedFile
from profiles.sharing.names import KEY
from profiles.sharing.present import present
from profiles.sharing.source import Source


def pull(
    source: Source,
    into: Path,
    *,
    languages: Collection[str] = (),
    keys: PublicKeys | None = None,
    expect: ModelIdentity | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> list[Change]:
    """Fetch, check all, then write: where one is bad, nothing has changed.

    Args:
        source: where from.
        into: the folder; made where it is missing.
        languages: which, all by default.
        keys: one of which must have signed each; by default those of the folder's own
            `profiles.pub`, if it has one.
        expect: the model that they must be of.
        force: replace other versions of them, and damaged files.
        dry_run: write nothing.

    Raises:
        SharingError, ProfileError: says of which what is wrong.
    """
    target = FolderTarget(into, summed=False)
    there = present(target.there(), good_only=force)
    found = read_all(source, languages, keys=keys or folder_keys(into), expect=expect)
    changes = plan(found, there, str(into), force=force)
    if not dry_run:
        files = {name: data for change in changes for name, data in change.files().items()}
        target.write(files, "")
    return changes


def read_all(
    source: Source,
    languages: Collection[str],
    *,
    keys: PublicKeys | None = None,
    expect: ModelIdentity | None = None,
) -> list[Artefact]:
    """Every profile of a source that is asked for, each of them good; raises as `pull` does."""
    chosen = choose(source, languages)
    return [read_artefact(source, file, keys=keys, expect=expect) for file in chosen]


def choose(source: Source, languages: Collection[str]) -> list[SharedFile]:
    """The files of those languages, or the one that the address names.

    Raises:
        SharingError: it is not there.
    """
    listing = source.listing()
    if source.only is None:
        return listing.choose(languages)
    if languages:
        raise SharingError(f"{listing.label}: the address names {source.only}, give no --languages")
    if source.only not in listing.files:
        there = ", ".join(listing.languages) or "no profiles"
        raise SharingError(f"{listing.label} has no {source.only}; it has {there}")
    return [listing.files[source.only]]


def folder_keys(folder: Path) -> PublicKeys | None:
    """The keys that a folder demands by its own `profiles.pub`, None where it has none."""
    file = folder / KEY
    return PublicKeys.read(file) if file.is_file() else None
