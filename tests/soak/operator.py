"""Whoever changes profiles, policy and keys while clients are served."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from profiles import store
from profiles.profile import Profile
from tests.soak.kinds import CHANGING, COMES_AND_GOES, OPERATOR, access, policy
from tests.soak.offer import Offer

_LONGEST_CHANGE = 120.0


class Operator:
    """Changes one thing after the other, and knows what can be served meanwhile.

    Args:
        url: of the server.
        folder: with the subfolder `profiles`, policy.yaml and access.yaml.
        versions: language -> the versions of its profile; the first is on offer.
        pid: gives the server's process id; None between two.

    Attributes:
        offer: what was in force, and when; profiles as name@version, the policy as "policy".
        done: how often each change was made.
        problems: what a change was answered with, where that was wrong.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        versions: dict[str, list[Profile]],
        pid: Callable[[], int | None],
    ) -> None:
        self.offer = Offer({k: label(v[0]) for k, v in versions.items()} | {"policy": "0"})
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []
        self._folder, self._versions, self._pid = folder, versions, pid
        self._http = httpx.AsyncClient(
            base_url=f"{url}/v1/steering",
            timeout=_LONGEST_CHANGE,
            headers={"Authorization": f"Bearer {OPERATOR}"},
        )

    async def __aenter__(self) -> Operator:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def first(self, language: str) -> str:
        """The version that a server starts with, of a profile that has only one."""
        return label(self._versions[language][0])

    def write(self, language: str, version: int) -> None:
        """Put a version's file in place."""
        store.save(self._versions[language][version], self._folder / "profiles")

    async def put(self, language: str, version: int) -> None:
        """Bring a version of a profile into force."""
        profile = self._versions[language][version]
        with self.offer.changing(language, label(profile)):
            self.write(language, version)
            await self._post(f"/profiles/{language}/load", 200)

    async def put_policy(self, version: int, *, by_signal: bool = False) -> None:
        """Bring a version of the policy into force."""
        with self.offer.changing("policy", str(version)):
            (self._folder / "policy.yaml").write_text(policy(version))
            if not by_signal:
                await self._post("/policy/reload", 200)
                return
            before = await self._digest()
            if (pid := self._pid()) is not None:
                os.kill(pid, signal.SIGHUP)
            deadline = time.monotonic() + _LONGEST_CHANGE
            while await self._digest() == before:
                if time.monotonic() > deadline:
                    self.problems.append("a hangup did not bring the new policy into force")
                    return
                await asyncio.sleep(0.2)

    async def change(self, turn: int) -> None:
        """Make the change whose turn it is.

        Raises:
            httpx.TransportError: the server is gone.
        """
        changes: list[Callable[[], Any]] = [
            lambda: self._flip(CHANGING[0]),
            self._flip_policy,
            self._come_or_go,
            self._bad_files,
            lambda: self._flip(CHANGING[1]),
            lambda: self._flip_policy(by_signal=True),
            self._pinned,
            self._reload_all,
        ]
        chosen = changes[turn % len(changes)]
        await chosen()

    async def _flip(self, language: str) -> None:
        await self.put(language, int(self.offer.now(language) == self.first(language)))
        self.done["profile replaced"] += 1

    async def _flip_policy(self, *, by_signal: bool = False) -> None:
        await self.put_policy(int(self.offer.now("policy") == "0"), by_signal=by_signal)
        self.done["policy replaced by signal" if by_signal else "policy replaced"] += 1

    async def _come_or_go(self) -> None:
        name = COMES_AND_GOES
        if self.offer.now(name) is None:
            with self.offer.changing(name, self.first(name)):
                await self._post(f"/profiles/{name}/load", 200)
            self.done["profile loaded"] += 1
            return
        with self.offer.changing(name, None):
            await self._post(f"/profiles/{name}/unload?wait=60", 200)
        self.done["profile unloaded"] += 1

    async def _bad_files(self) -> None:
        """None of them changes anything."""
        file = self._folder / "profiles" / "zh.safetensors"
        good = file.read_bytes()
        try:
            file.write_bytes(good[: len(good) // 2])
            await self._post("/profiles/zh/load", 422)
        finally:
            file.write_bytes(good)
        rules = self._folder / "policy.yaml"
        good = rules.read_bytes()
        try:
            rules.write_text("version: 1\nrules: nonsense\n")
            await self._post("/policy/reload", 422)
        finally:
            rules.write_bytes(good)
        self.done["bad files refused"] += 1

    async def _pinned(self) -> None:
        """A pinned profile stays, whatever becomes of its file."""
        name = CHANGING[0]
        old = int(self.offer.now(name) != self.first(name))
        await self._post(f"/profiles/{name}/pin", 200)
        try:
            self.write(name, 1 - old)
            await self._post(f"/profiles/{name}/load", 409)
        finally:
            self.write(name, old)
        await self._post(f"/profiles/{name}/unpin", 200)
        self.done["profile pinned"] += 1

    async def _reload_all(self) -> None:
        # A profile that is off the offer comes back with it: its file is there.
        back = self.first(COMES_AND_GOES)
        with self.offer.changing(COMES_AND_GOES, back):
            await self._post("/profiles/reload", 200)
        (self._folder / "access.yaml").write_text(access())
        await self._post("/access/reload", 200)
        self.done["everything reloaded"] += 1

    async def _digest(self) -> Any:
        return (await self._http.get("/policy")).json()["digest"]

    async def _post(self, path: str, expected: int) -> None:
        answer = await self._http.post(path)
        if answer.status_code != expected:
            self.problems.append(f"{path}: {answer.status_code} {answer.text[:300]}")


def label(profile: Profile) -> str:
    """name@version, as headers have it."""
    return f"{profile.language}@{profile.version}"
