"""Which profiles all replicas serve: read from a folder, changed in all of them or in none."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from profiles import store
from profiles.errors import LangsteerError, ProfileError
from server.on_ray.order import Answer, Files, Order, digest

_POLL = 5.0  # seconds that a replica's question stays open where there is nothing to do
_FORGOTTEN = 30.0  # of silence, of a replica that has nothing to do


@dataclass
class _Member:
    heard: float
    order: Order | None = None
    answer: Answer | None = None
    ordered: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class Board:
    """Replicas enter with the set they serve, then ask for orders, one question at a time.

    An update has two steps. First every replica loads and proves the new files beside the old
    ones ("stage"); if one cannot, all drop them. Then all put them on offer, which takes no loading
    and cannot run out of room. A replica that falls silent on the way is forgotten, and enters
    again, if it lives, with the set that is in force.

    Args:
        folder: of profile files.
        patience: seconds to wait for replicas' answers.

    Raises:
        ProfileError: the folder is unreadable or empty, or a file is damaged.
    """

    def __init__(self, folder: Path, patience: float = 300.0) -> None:
        self._folder = folder
        self._patience = patience
        self._files: Files = read_files(folder)
        self._members: dict[str, _Member] = {}
        self._lock = asyncio.Lock()
        self._orders = 0

    async def adopt(self, folder: Path, patience: float) -> dict[str, Any]:
        """Read from this folder from now on, and bring what it holds to every replica.

        Args:
            folder, patience: as at first.

        Returns:
            As `update`.

        Raises:
            ProfileError: see `Board`, where no replica takes part yet.
        """
        self._folder, self._patience = folder, patience
        self._tidy()
        if not self._members:
            self._files = read_files(folder)
        return await self.update()

    async def current(self) -> Files:
        """The files in force."""
        return self._files

    async def enter(self, replica: str, has: str) -> Files | None:
        """Begin to take part.

        Args:
            replica: its name.
            has: digest of the files it serves.

        Returns:
            None where it takes part from now on; the files to serve first, where others are in
            force. It then enters again.
        """
        # Nobody enters between the two steps of an update.
        async with self._lock:
            if has != digest(self._files):
                return self._files
            self._members[replica] = _Member(time.monotonic())
            return None

    async def order(self, replica: str, answer: Answer | None = None) -> Order:
        """What a replica is to do next; asked again, the same until it has answered.

        Args:
            replica: its name.
            answer: to the order that it got last.
        """
        member = self._members.get(replica)
        if member is None:
            return Order(kind="enter")
        member.heard = time.monotonic()
        if answer is not None and member.order and answer.number == member.order.number:
            member.order, member.answer = None, answer
            member.ordered.clear()
            member.answered.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(member.ordered.wait(), _POLL)
        member.heard = time.monotonic()
        if self._members.get(replica) is not member:
            return Order(kind="enter")
        return member.order or Order(kind="wait")

    async def update(self) -> dict[str, Any]:
        """Read the folder again, and bring what it holds to every replica.

        Returns:
            For JSON: `state` ("updated", "unchanged" or "refused"), `from` and `to` (digests),
            `loaded` and `removed` (files), `replicas`, `errors` and `silent` (by replica).
        """
        async with self._lock:
            self._tidy()
            before = self._files
            report: dict[str, Any] = {
                "state": "refused",
                "from": digest(before),
                "to": digest(before),
                "loaded": [],
                "removed": [],
                "replicas": sorted(self._members),
                "errors": {},
                "silent": [],
            }
            try:
                after = read_files(self._folder)
            except ProfileError as error:
                return report | {"errors": {"board": str(error)}}
            report |= {
                "to": digest(after),
                "loaded": sorted(n for n, data in after.items() if before.get(n) != data),
                "removed": sorted(before.keys() - after.keys()),
            }
            if report["to"] == report["from"]:
                return report | {"state": "unchanged"}
            return await self._carry_out(after, report)

    async def status(self) -> dict[str, Any]:
        """For JSON: the set in force, its files, and who takes part."""
        self._tidy()
        now = time.monotonic()
        return {
            "set": digest(self._files),
            "files": sorted(self._files),
            "replicas": [
                {"name": name, "heard_seconds_ago": round(now - member.heard, 1)}
                for name, member in sorted(self._members.items())
            ],
        }

    async def _carry_out(self, after: Files, report: dict[str, Any]) -> dict[str, Any]:
        errors, silent = await self._tell("stage", after)
        if errors or silent:
            # A silent one may have staged them, and is not to come back with that.
            for name in silent:
                self._forget(name)
            await self._tell("drop")
            return report | {"errors": errors, "silent": silent}
        # From here on who enters gets the new ones, and nothing goes back.
        self._files = after
        errors, silent = await self._tell("offer")
        for name in (*errors, *silent):
            self._forget(name)
        return report | {"state": "updated", "errors": errors, "silent": silent}

    async def _tell(
        self, kind: Any, files: Files | None = None
    ) -> tuple[dict[str, str], list[str]]:
        """(errors by replica, who did not answer)."""
        self._orders += 1
        order = Order(number=self._orders, kind=kind, files=files or {})
        asked = dict(self._members)
        for member in asked.values():
            member.order, member.answer = order, None
            member.answered.clear()
            member.ordered.set()
        end = time.monotonic() + self._patience
        for member in asked.values():
            try:
                await asyncio.wait_for(member.answered.wait(), max(0.0, end - time.monotonic()))
            except TimeoutError:
                member.order = None
                member.ordered.clear()
        answers = {name: member.answer for name, member in asked.items()}
        errors = {name: answer.error for name, answer in answers.items() if answer and answer.error}
        return errors, sorted(name for name, answer in answers.items() if answer is None)

    def _tidy(self) -> None:
        now = time.monotonic()
        for name, member in [*self._members.items()]:
            if member.order is None and now - member.heard > _FORGOTTEN:
                self._forget(name)

    def _forget(self, replica: str) -> None:
        if member := self._members.pop(replica, None):
            member.ordered.set()


def read_files(folder: Path) -> dict[str, bytes]:
    """The profile files of a folder, by name; their own hashes are checked, not their model.

    Raises:
        ProfileError: the folder cannot be read, is empty, or holds a bad file.
    """
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix == store.SUFFIX and p.name[0] != ".")
        files = {path.name: path.read_bytes() for path in paths}
    except OSError as error:
        raise ProfileError(
            f"cannot read the profile folder {folder}: {error.strerror or error}"
        ) from error
    if not files:
        raise ProfileError(f"{folder} holds no profile files")
    wrong: list[str] = []
    for name, data in files.items():
        try:
            store.loads(data, name)
        except LangsteerError as error:
            wrong.append(str(error))
    if wrong:
        raise ProfileError("\n".join(wrong))
    return files
