"""Which profiles the server offers: from files, through the workers, to the catalogue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from profiles.errors import LangsteerError, ProfileError
from profiles.profile import Profile
from server.catalog import Catalog, Entry
from server.control import Control
from server.scan import ProfileFile, Refusal, Scanner
from steering.request import SteeringRequest

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


@dataclass(frozen=True, kw_only=True)
class ReloadReport:
    """What a reload did, by profile name@version; refused files by file name."""

    loaded: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    refused: tuple[Refusal, ...]


class Registry:
    """Loads profiles into the engine and keeps the catalogue of those every worker confirmed.

    A profile appears in the catalogue only after each worker has loaded it and a real request
    has shown its effect. A replaced or removed profile leaves the catalogue but stays in the
    engine, since requests in flight name it by content hash.

    Args:
        scanner: reads and verifies the folder; runs in a thread.
        control: the engine.
        changed: told how many profiles are on offer, whenever that changes.
    """

    def __init__(
        self, scanner: Scanner, control: Control, changed: Callable[[int], None] = lambda n: None
    ) -> None:
        self._scanner = scanner
        self._control = control
        self._changed = changed
        self._catalog = Catalog()
        self._lock = asyncio.Lock()

    @property
    def catalog(self) -> Catalog:
        """The profiles on offer now; a snapshot."""
        return self._catalog

    async def start(self) -> None:
        """Load everything the folder holds, or fail.

        Raises:
            ProfileError: a file is bad, or there is none; the text lists all that is wrong.
            EngineError: a worker is not armed, has no room, or an edit has no effect.
        """
        async with self._lock:
            await self._control.handshake()
            scan = await asyncio.to_thread(self._scanner)
            if scan.refused:
                raise ProfileError("\n".join(refusal.reason for refusal in scan.refused))
            if not scan.files:
                raise ProfileError("the profile folder holds no profile files")
            entries = [await self._load(file) for file in scan.files.values()]
            await self._control.canary([_probe(entry.profile) for entry in entries])
            self._publish(entries)

    async def reload(self) -> ReloadReport:
        """Bring the catalogue in line with the folder, file by file; keep what cannot change.

        Raises:
            ProfileError: the folder cannot be read; nothing has changed then.
        """
        async with self._lock:
            scan = await asyncio.to_thread(self._scanner)
            refused = list(scan.refused)
            # A bad new version must not take the good one that is being served away.
            broken = {refusal.file.rpartition(".")[0] for refusal in refused}
            current = {entry.name: entry for entry in self._catalog}
            kept = {n: e for n, e in current.items() if n in scan.files or n in broken}
            loaded: list[Entry] = []
            for name, file in scan.files.items():
                if name in kept and _same(kept[name], file):
                    continue
                try:
                    entry = await self._load_proven(file)
                except LangsteerError as error:
                    refused.append(Refusal(file=f"{name}.safetensors", reason=str(error)))
                    continue
                kept[name] = entry
                loaded.append(entry)
            self._publish(kept.values())
            new = {entry.name for entry in loaded}
            report = ReloadReport(
                loaded=tuple(entry.label for entry in loaded),
                unchanged=tuple(e.label for n, e in sorted(kept.items()) if n not in new),
                removed=tuple(e.label for n, e in current.items() if n not in kept),
                refused=tuple(refused),
            )
            logger.info("reloaded profiles: %s", report)
            return report

    async def _load(self, file: ProfileFile) -> Entry:
        found = await self._control.load(file.data)
        if found != file.profile.content_hash:
            raise ProfileError(
                f"{file.name}: workers loaded {found[:12]}, the file is {file.profile.version}"
            )
        return Entry(
            name=file.name,
            profile=file.profile,
            created=file.created,
            loaded_at=int(time.time()),
        )

    async def _load_proven(self, file: ProfileFile) -> Entry:
        """Load one more profile; if it has no effect, take it out of the engine again."""
        entry = await self._load(file)
        try:
            await self._control.canary([_probe(entry.profile)])
        except LangsteerError:
            in_use = {other.profile.content_hash for other in self._catalog}
            if entry.profile.content_hash not in in_use:
                await self._control.unload(entry.profile.content_hash)
            raise
        return entry

    def _publish(self, entries: Iterable[Entry]) -> None:
        self._catalog = Catalog(entries)
        self._changed(len(self._catalog))


def _same(entry: Entry, file: ProfileFile) -> bool:
    return entry.profile.content_hash == file.profile.content_hash


def _probe(profile: Profile) -> SteeringRequest:
    """A request whose effect proves that the profile reaches the model."""
    if profile.target is not None:
        return SteeringRequest(target=profile.content_hash)
    return SteeringRequest(suppress=(profile.content_hash,))
