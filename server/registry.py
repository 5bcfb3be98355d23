"""Which profiles the server offers: from files, through the workers, to the catalogue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Literal

from profiles.errors import LangsteerError, ProfileError
from server.catalog import Catalog, Entry
from server.control import Control
from server.errors import InUseError, NotFoundError, PinnedError, ProfileFileInvalidError
from server.leases import Leases
from server.probe import probe
from server.reload_report import ReloadReport
from server.retired import Fate, Retired
from server.scan import ProfileFile, Refusal, Scanner
from steering.errors import EngineError

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


# New on offer; in the place of another version; or what is on offer already.
Loaded = Literal["loaded", "replaced", "unchanged"]


class Registry:
    """Loads profiles into the engine and keeps the catalogue of those every worker confirmed.

    A profile appears in the catalogue only after each worker has loaded it and a real request
    has shown its effect. A replaced or removed profile leaves the catalogue at once and the
    engine once no request in flight names it. One that is pinned stays as it is.

    Args:
        scanner: reads and verifies the folder; runs in a thread.
        control: the engine.
        leases: what requests on their way to the engine need.
        strongest: the largest strength that a request may ask for.
        changed: told how many profiles are on offer, whenever that changes.
    """

    def __init__(
        self,
        scanner: Scanner,
        control: Control,
        leases: Leases,
        strongest: float,
        changed: Callable[[int], None] = lambda n: None,
    ) -> None:
        self._scanner = scanner
        self._control = control
        self._strongest = strongest
        self._changed = changed
        self._catalog = Catalog()
        # By name: while a name is here, the entry of that name stays the one it is. In memory
        # only, so that a restarted server offers what the folder holds.
        self._pins: set[str] = set()
        self._lock = asyncio.Lock()
        self._retired = Retired(control, leases, self._lock)

    @property
    def catalog(self) -> Catalog:
        """The profiles on offer now; a snapshot."""
        return self._catalog

    @property
    def draining(self) -> tuple[str, ...]:
        """Profiles that wait for the end of the requests that use them, as name@version."""
        return self._retired.labels()

    def pinned(self, entry: Entry) -> bool:
        """Whether the profile is pinned; `entry` is of the catalogue."""
        return entry.name in self._pins

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
            await self._control.canary(
                [probe(entry.profile, self._strongest) for entry in entries], self._strongest
            )
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
            stays = scan.files.keys() | broken | self._pins
            # What leaves gives its room to what comes, as far as nobody uses it.
            self._publish(entry for name, entry in current.items() if name in stays)
            await self._retired.sweep()
            held = [current[name] for name in sorted(self._pins - scan.files.keys() - broken)]
            loaded: list[Entry] = []
            for name, file in scan.files.items():
                if name in current and _same(current[name], file):
                    continue
                if name in self._pins:
                    held.append(current[name])
                    continue
                try:
                    loaded.append(await self._bring(file))
                except LangsteerError as error:
                    reason = self._said(error)
                    refused.append(Refusal(file=f"{name}.safetensors", reason=reason))
            report = ReloadReport(
                loaded=tuple(entry.label for entry in loaded),
                unchanged=tuple(entry.label for entry in self._catalog if entry not in loaded),
                removed=tuple(e.label for n, e in current.items() if n not in stays),
                refused=tuple(refused),
                pinned=tuple(entry.label for entry in held),
                draining=self.draining,
            )
            logger.info("reloaded profiles: %s", report)
            return report

    async def load(self, name: str) -> tuple[Entry, Loaded]:
        """Bring one profile in line with its file; all others stay as they are.

        Args:
            name: of the profile, which is its file's.

        Returns:
            (what is on offer by that name now, what was done for it).

        Raises:
            NotFoundError: the folder has no such file.
            ProfileFileInvalidError: the file is bad. Nothing has changed, as with every error.
            PinnedError: the file has changed, and the profile is pinned.
            ProfileError: the folder cannot be read.
            EngineError: there is no room, the edit has no effect, or the engine does not answer.
        """
        async with self._lock:
            scan = await asyncio.to_thread(self._scanner, name)
            for refusal in scan.refused:
                raise ProfileFileInvalidError(refusal.reason, param="name", reason="bad_value")
            if (file := scan.files.get(name)) is None:
                raise NotFoundError(
                    f"the profile folder has no file of {name[:60]!r}",
                    param="name",
                    reason="unknown_profile",
                )
            before = self._catalog.get(name)
            if before is not None and _same(before, file):
                return before, "unchanged"
            if before is not None:
                self._check_unpinned(before)
            await self._retired.sweep()
            try:
                entry = await self._bring(file)
            except EngineError as error:
                raise EngineError(self._said(error)) from error
            logger.info("loaded %s", entry.label)
            return entry, "replaced" if before else "loaded"

    async def pin(self, entry: Entry, *, on: bool) -> None:
        """Keep a profile as it is, or no longer; to say the same again changes nothing.

        Args:
            entry: of the catalogue.
            on: whether it is to be pinned.

        Raises:
            NotFoundError: it has left the catalogue meanwhile.
        """
        async with self._lock:
            self._check_offered(entry)
            if on:
                self._pins.add(entry.name)
            else:
                self._pins.discard(entry.name)
            logger.info("%s %s", "pinned" if on else "unpinned", entry.label)

    async def unload(self, entry: Entry, *, wait: float | None) -> Fate:
        """Take a profile out of the catalogue and the engine.

        Args:
            entry: of the catalogue.
            wait: seconds to wait for requests in flight; None refuses where there are any.

        Returns:
            What became of it. While requests in flight still use it, it is off the catalogue, and
            goes when they end.

        Raises:
            NotFoundError: it has left the catalogue meanwhile.
            PinnedError: it is pinned.
            InUseError: requests in flight use it, and `wait` is None. Nothing has changed.
            EngineError: the engine does not answer.
        """
        async with self._lock:
            self._check_offered(entry)
            self._check_unpinned(entry)
            if wait is None and (
                await self._control.in_use(entry.profile.content_hash)
                or not self._retired.free(entry)
            ):
                raise InUseError(
                    f"requests in flight use {entry.label}; say how long to wait for them, e.g. "
                    "?wait=30",
                    param="name",
                    reason="in_use",
                )
            self._publish(other for other in self._catalog if other is not entry)
            fate = self._retired.fate(entry)
            await self._retired.sweep()
        if fate is None:  # another name on offer has the same content
            return "unloaded"
        try:
            return await asyncio.wait_for(asyncio.shield(fate), wait or 0.0)
        except TimeoutError:
            return "draining"

    def _check_offered(self, entry: Entry) -> None:
        if self._catalog.get(entry.name) is not entry:
            raise NotFoundError(
                f"{entry.label} is no longer on offer", param="name", reason="unknown_profile"
            )

    def _check_unpinned(self, entry: Entry) -> None:
        if self.pinned(entry):
            raise PinnedError(
                f"{entry.label} is pinned: unpin it first", param="name", reason="pinned"
            )

    async def _bring(self, file: ProfileFile) -> Entry:
        """Load a file and put it on offer, in the place of what had its name."""
        entry = await self._load_proven(file)
        # At once: it is good whatever the engine raises later, and what it replaces gives its
        # room to the next, so that a folder made anew needs little to spare.
        self._publish([*(other for other in self._catalog if other.name != file.name), entry])
        await self._retired.sweep()
        return entry

    async def _load(self, file: ProfileFile) -> Entry:
        found = await self._control.load(file.data)
        # It may be draining: the same file again, before the last request with it has ended.
        self._retired.keep(file.profile.content_hash)
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
            await self._control.canary([probe(entry.profile, self._strongest)], self._strongest)
        except BaseException:  # whatever it is: nobody else knows that it is loaded
            if not self._offers(entry.profile.content_hash):
                self._retired.add(entry)
                await self._retired.sweep()
            raise
        return entry

    def _publish(self, entries: Iterable[Entry]) -> None:
        before, self._catalog = self._catalog, Catalog(entries)
        for entry in before:
            if not self._offers(entry.profile.content_hash):
                self._retired.add(entry)
        self._changed(len(self._catalog))

    def _offers(self, content_hash: str) -> bool:
        return any(entry.profile.content_hash == content_hash for entry in self._catalog)

    def _said(self, error: LangsteerError) -> str:
        waiting = self.draining
        hint = f"; still draining, with their room: {', '.join(waiting)}" if waiting else ""
        return f"{error}{hint}"


def _same(entry: Entry, file: ProfileFile) -> bool:
    return entry.profile.content_hash == file.profile.content_hash
