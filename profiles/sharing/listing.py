"""What a place holds, as far as it is of interest here. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from profiles.errors import SharingError
from profiles.sharing.names import SIGNATURE, check_path, language_of, signature_name

# A memory and an offset a layer, towards and away, of a model of 400B are 70 MB.
MOST_BYTES = 256 << 20
MOST_SIGNATURE_BYTES = 4096
MOST_FILES = 10_000
_DIGESTS = {"sha256": re.compile("[0-9a-f]{64}"), "git_sha1": re.compile("[0-9a-f]{40}")}


@dataclass(frozen=True, kw_only=True)
class SharedFile:
    """A file in a place.

    Attributes:
        name: in its folder.
        size: in bytes, None where the place does not say.
        sha256: of its content, or
        git_sha1: of it as a git blob: what the Hub says of small files. None where unknown.
        sure: whether the place says that it is there; False for what may be.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    sure: bool = True

    def __post_init__(self) -> None:
        for name, form in _DIGESTS.items():
            digest = getattr(self, name)
            if digest is not None and not (isinstance(digest, str) and form.fullmatch(digest)):
                raise SharingError(f"{self.name!r} is listed with {name} {digest!r:.80}")
        if self.size is not None and (type(self.size) is not int or self.size < 0):
            raise SharingError(f"{self.name!r} is listed with size {self.size!r:.80}")

    @property
    def most(self) -> int:
        """The most bytes it may have."""
        return MOST_SIGNATURE_BYTES if self.name.endswith(SIGNATURE) else MOST_BYTES


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a place at one moment.

    Attributes:
        address: where, for messages.
        revision: which commit, of a place that has commits.
        files: by name; those of folders further down are not among them.
    """

    address: str
    revision: str | None
    files: Mapping[str, SharedFile]

    @property
    def label(self) -> str:
        """Address and commit."""
        return f"{self.address} ({self.revision[:12]})" if self.revision else self.address

    @property
    def languages(self) -> list[str]:
        """The languages there are profiles of."""
        return sorted(tag for name in self.files if (tag := language_of(name)) is not None)

    def signature(self, name: str) -> SharedFile | None:
        """The signature beside a file, where there is one."""
        return self.files.get(signature_name(name))

    def choose(self, languages: Collection[str] = ()) -> list[SharedFile]:
        """The profile files of `languages`, of all where none are given.

        Raises:
            SharingError: it lacks one, or holds no profiles.
        """
        there = {tag: self.files[name] for name in self.files if (tag := language_of(name))}
        if not there:
            others = ", ".join(sorted(self.files)[:8]) or "nothing"
            raise SharingError(
                f"{self.label} holds no profiles (<language>.safetensors); it has {others}"
            )
        if missing := [tag for tag in languages if tag not in there]:
            raise SharingError(
                f"{self.label} has no profile of {', '.join(missing)}; it has "
                f"{', '.join(sorted(there))}"
            )
        return [there[tag] for tag in sorted(languages or there)]

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {
            "address": self.address,
            "revision": self.revision,
            "files": [asdict(file) for file in self.files.values()],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Listing:
        """The listing that `to_json` gave.

        Raises:
            KeyError, TypeError: it did not.
        """
        files = [SharedFile(**file) for file in value["files"]]
        return make_listing(value["address"], value["revision"], files)


def make_listing(address: str, revision: str | None, files: Iterable[SharedFile]) -> Listing:
    """The listing of a place that says it holds `files`.

    Raises:
        SharingError: a name would leave its folder, is there twice in another case, or there are
            too many.
    """
    found: dict[str, SharedFile] = {}
    for file in files:
        check_path(file.name, address)
        if "/" not in file.name:
            found[file.name] = file
        if len(found) > MOST_FILES:
            raise SharingError(f"{address} lists over {MOST_FILES} files: no folder of profiles")
    lower = [name.lower() for name in found if language_of(name)]
    if twice := {name for name in lower if lower.count(name) > 1}:
        raise SharingError(f"{address} holds {min(twice)} twice, in upper and lower case")
    return Listing(address=address, revision=revision, files=found)
