"""Profiles in a repository of the Hugging Face Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from profiles.errors import SharingError
from profiles.sharing.address import HubAddress
from profiles.sharing.download import Request
from profiles.sharing.fetcher import MissingError
from profiles.sharing.hub_client import PATIENCE
from profiles.sharing.hub_errors import hub_errors
from profiles.sharing.listing import Listing, SharedFile, make_listing
from profiles.sharing.names import check_path, language_of
from profiles.store import SUFFIX

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_HASHED = ("sha256", "git_sha1")


class HubPlace:
    """See `Place`. Files are fetched at the commit that the listing is of.

    The client lists; the files come as from any server, because it neither goes on with what an
    earlier process began nor stops where a file is longer than was said.

    Args:
        address: a repository, a folder in it, or a file.
        api: the client.
    """

    def __init__(self, address: HubAddress, api: HfApi) -> None:
        self._api = api
        folder, _, name = address.path.rpartition("/")
        if name.endswith(SUFFIX):
            if language_of(name) is None:
                raise SharingError(f"{address}: profiles' files are <language>{SUFFIX}")
            self.only: str | None = name
            self._folder = folder
        else:
            self.only, self._folder = None, address.path
        self._repo, self._revision = address.repo, address.revision
        where = HubAddress(repo=address.repo, revision=address.revision, path=self._folder)
        self._label = str(where)
        # By commit, whatever name led to it; the endpoint, because others have other repositories.
        self.base = f"{api.endpoint} {address.repo} {self._folder}"
        self.key = f"{self.base}@{address.revision}" if address.revision else self.base

    def list(self) -> Listing:
        """See `Place`."""
        hint = "; --offline takes what was fetched before"
        with hub_errors(f"cannot list {self._label}", hint):
            info = self._api.model_info(
                self._repo, revision=self._revision, files_metadata=True, timeout=PATIENCE
            )
        if not info.sha:
            raise SharingError(f"{self._label} has no commit yet")
        files = [file for found in info.siblings or () if (file := self._file(found))]
        if self._folder and not files:
            raise MissingError(f"{self._label}: the repository has no such folder")
        return make_listing(self._label, info.sha, files)

    def locate(self, listing: Listing, file: SharedFile) -> Request:
        """See `Place`."""
        from huggingface_hub import hf_hub_url

        path = f"{self._folder}/{file.name}" if self._folder else file.name
        return Request(
            url=hf_hub_url(
                self._repo, path, revision=listing.revision, endpoint=self._api.endpoint
            ),
            secret=self._headers(),
            # Its contents are on hosts that change, and have a digest each.
            anywhere=any(getattr(file, name) for name in _HASHED),
        )

    def _headers(self) -> dict[str, str]:
        from huggingface_hub import constants, get_token

        token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _file(self, found: Any) -> SharedFile | None:
        """A file of the folder, None for one elsewhere in the repository."""
        path = check_path(found.rfilename, self._label)
        folder, _, name = path.rpartition("/")
        if folder != self._folder:
            return None
        digest = found.lfs.sha256 if found.lfs else None
        size = found.lfs.size if found.lfs else found.size
        blob = None if found.lfs else found.blob_id
        return SharedFile(name=name, size=size, sha256=digest, git_sha1=blob)
