"""A repository of the Hugging Face Hub that profiles are put into, in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from profiles.progress import Stage
from profiles.sharing.address import HubAddress
from profiles.sharing.cache import Cache
from profiles.sharing.cached_source import CachedSource
from profiles.sharing.fetcher import Fetcher, MissingError
from profiles.sharing.hub_errors import NoRepositoryError, hub_errors
from profiles.sharing.hub_place import HubPlace

if TYPE_CHECKING:
    from huggingface_hub import HfApi


class HubTarget:
    """See `Target`.

    Args:
        address: a repository, or a folder in it.
        api: the client.
        fetcher: opens addresses.
        stage: shows the progress of a file.
        create: make the repository where it is missing.
        private: make it a private one.
    """

    def __init__(
        self,
        address: HubAddress,
        api: HfApi,
        fetcher: Fetcher,
        stage: Stage,
        *,
        create: bool,
        private: bool,
    ) -> None:
        self._address, self._api = address, api
        self._fetcher, self._stage = fetcher, stage
        self._create, self._private = create, private
        self._head: str | None = None
        self._new = False
        self.label = str(address)

    def there(self) -> CachedSource | None:
        """See `Target`."""
        root = HubAddress(repo=self._address.repo, revision=self._address.revision)
        source = CachedSource(HubPlace(root, self._api), Cache(), self._fetcher, self._stage)
        try:
            self._head = source.listing().revision
        except NoRepositoryError as error:
            if not self._create:
                raise NoRepositoryError(f"{error}; --create makes it") from error
            self._new = True
            return None
        if not self._address.path:
            return source
        place = HubPlace(self._address, self._api)
        source = CachedSource(place, Cache(), self._fetcher, self._stage)
        try:
            source.listing()
        except MissingError:  # the repository is there, the folder is not
            return None
        return source

    def write(self, files: Mapping[str, bytes | None], message: str) -> str:
        """See `Target`."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        if self._new:
            with hub_errors(f"cannot create {self.label}"):
                self._api.create_repo(self._address.repo, private=self._private, exist_ok=False)
        folder = f"{self._address.path}/" if self._address.path else ""
        operations = [
            CommitOperationDelete(path_in_repo=folder + name)
            if data is None
            else CommitOperationAdd(path_in_repo=folder + name, path_or_fileobj=data)
            for name, data in files.items()
        ]
        with hub_errors(f"cannot write to {self.label}"):
            # By its parent: what somebody else has put there meanwhile is not overwritten.
            done = self._api.create_commit(
                self._address.repo,
                operations,
                commit_message=message,
                revision=self._address.revision,
                parent_commit=self._head,
            )
        return str(done.commit_url)
