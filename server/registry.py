"""Which profiles the server offers: from files, through the workers, to the catalogue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Literal

from profiles.errors import LangsteerError, ProfileError
from server.catalog import Catalog, Entry
from server.control import Control
from server.errors import InUseError, NotFoundError, ProfileFileInvalidError
from server.leases import Leases
from server.loading import load_file
from server.pins import Pins
from server.probe import probe
from server.reload_report import ReloadReport
from server.retired import Fate, Retired
from server.scan import ProfileFile, Refusal, Scanner
from server.staged import Staged
from steering.errors import EngineError

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


# New on offer; in another version's place; on offer already; in the engine, and not yet on offer.
Loaded = Literal["loaded", "replaced", "unchanged", "staged"]


class Registry:
    """Loads profiles into the engine and keeps the catalogue of those every worker confirmed.

    A profile appears in the catalogue only after each worker has loaded it and a real request
    has shown its effect. A replaced or removed profile leaves the catalogue at once and the
    engine once no request in flight names it. One that is pinned stays as it is. One that is
    staged is loaded and proven, and comes on offer, at once, when it is loaded again.

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
        self._pins = Pins()
        self._lock = asyncio.Lock()
        self._retired = Retired(control, leases, self._lock)
        self._staged = Staged(self._retire)

    @property
    def catalog(self) -> Catalog:
        """The profiles on offer now; a snapshot."""
        return self._catalog

    @property
    def draining(self) -> tuple[str, ...]:
        """Profiles that wait for the end of the requests that use them, as name@version."""
        return self._retired.labels()

    @property
    def staged(self) -> tuple[str, ...]:
        """Profiles that are in the engine to be put on offer later, as name@version."""
        return self._staged.labels()

    def pinned(self, entry: Entry) -> bool:
        """Whether the profile is pinned; `entry` is of the catalogue."""
        return entry.name in self._pins.names

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
            self._staged.settle(scan.files)
            stays = scan.files.keys() | broken | self._pins.names
            # What leaves gives its room to what comes, as far as nobody uses it.
            self._publish(entry for name, entry in current.items() if name in stays)
            await self._retired.sweep()
            held = [current[n] for n in sorted(self._pins.names - scan.files.keys() - broken)]
            loaded: list[Entry] = []
            for name, file in scan.files.items():
                if name in current and file.holds(current[name]):
                    continue
                if name in self._pins.names:
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

    async def load(self, name: str, *, offer: bool = True) -> tuple[Entry, Loaded]:
        """Bring one profile in line with its file; all others stay as they are.

        Args:
            name: of the profile, which is its file's.
            offer: whether to put it on offer too. If not, it is staged, until its file changes:
                the next call that offers it has nothing left to do that takes time or can fail.

        Returns:
            (what is on offer by that name now, or staged; what was done for it).

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
            self._staged.settle(scan.files, only=name)
            if before is not None and file.holds(before):
                return before, "unchanged"
            if before is not None:
                self._pins.check(before)
            await self._retired.sweep()
            try:
                entry = await (self._bring(file) if offer else self._stage(file))
            except EngineError as error:
                raise EngineError(self._said(error)) from error
            state: Loaded = "staged" if not offer else "replaced" if before else "loaded"
            logger.info("%s %s", state, entry.label)
            return entry, state

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
            self._pins.put(entry, on=on)
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
            self._pins.check(entry)
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

    async def _bring(self, file: ProfileFile) -> Entry:
        """Load a file and put it on offer, in the place of what had its name."""
        entry = await self._stage(file)
        self._staged.take(file.name)
        # At once: it is good whatever the engine raises later, and what it replaces gives its
        # room to the next, so that a folder made anew needs little to spare.
        self._publish([*(other for other in self._catalog if other.name != file.name), entry])
        await self._retired.sweep()
        return entry

    async def _stage(self, file: ProfileFile) -> Entry:
        """Load a file, unless that is done already."""
        entry = self._staged.get(file.name)
        if entry is None:
            entry = await self._load_proven(file)
            self._staged.put(entry)
        return entry

    async def _load(self, file: ProfileFile) -> Entry:
        entry = await load_file(file, self._control)
        # It may be draining: the same file again, before the last request with it has ended.
        self._retired.keep(entry.profile.content_hash)
        return entry

    async def _load_proven(self, file: ProfileFile) -> Entry:
        """Load one more profile; if it has no effect, take it out of the engine again."""
        entry = await self._load(file)
        try:
            await self._control.canary([probe(entry.profile, self._strongest)], self._strongest)
        except BaseException:  # whatever it is: nobody else knows that it is loaded
            self._retire(entry)
            await self._retired.sweep()
            raise
        return entry

    def _publish(self, entries: Iterable[Entry]) -> None:
        before, self._catalog = self._catalog, Catalog(entries)
        for entry in before:
            self._retire(entry)
        self._changed(len(self._catalog))

    def _retire(self, entry: Entry) -> None:
        """It is to leave the engine, unless its content is on offer or staged."""
        content = entry.profile.content_hash
        offered = any(other.profile.content_hash == content for other in self._catalog)
        if not offered and not self._staged.holds(content):
            self._retired.add(entry)

    def _said(self, error: LangsteerError) -> str:
        waiting = self.draining
        hint = f"; still draining, with their room: {', '.join(waiting)}" if waiting else ""
        return f"{error}{hint}"
