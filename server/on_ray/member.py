"""A replica's side of an update: its server's profiles follow the board."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Protocol

import httpx

from profiles.atomic import write_atomically
from profiles.errors import LangsteerError
from server.on_ray.order import Answer, Files, Order, digest

logger = logging.getLogger("ray.serve")
_PAUSE = 1.0
_PROFILES = "/v1/steering/profiles"


class RemoteBoard(Protocol):
    """`Board`, wherever it runs."""

    def enter(self, replica: str, has: str) -> Awaitable[Files | None]: ...

    def order(self, replica: str, answer: Answer | None) -> Awaitable[Order]: ...


class MemberError(LangsteerError):
    """The server did not take the files; the text says which and why."""


class Member:
    """Keeps the server's folder, and what it offers, as the board orders.

    Args:
        name: of the replica.
        board: to follow.
        folder: the server's profile folder, of nobody else.
        files: what is in it, and on offer.
        client: for the server, with the key to change it.

    Attributes:
        trouble: why the server does not have what is in force; "" while all is well.
    """

    def __init__(
        self, name: str, board: RemoteBoard, folder: Path, files: Files, client: httpx.AsyncClient
    ) -> None:
        self._name = name
        self._board = board
        self._folder = folder
        self._files = files
        self._staged: Files = files
        self._client = client
        self.trouble = ""

    async def enter(self) -> None:
        """Take part in updates, with the files that are in force.

        Raises:
            MemberError: the server does not take these.
        """
        while (files := await self._board.enter(self._name, digest(self._files))) is not None:
            try:
                await self._stage(files)
                await self._offer()
            except (MemberError, httpx.HTTPError) as error:
                self.trouble = str(error) or type(error).__name__
                raise
        self.trouble = ""

    async def follow(self) -> None:
        """Do what the board orders, for ever; where it cannot be asked, ask again."""
        answer: Answer | None = None
        while True:
            try:
                order = await self._board.order(self._name, answer)
                answer = None
                if order.kind == "enter":
                    await self.enter()
                elif order.number:
                    answer = Answer(number=order.number, error=await self._carried_out(order))
            # Ray's own errors, where the board is gone for a while, and what must not end this.
            except Exception as error:  # noqa: BLE001
                logger.warning("cannot follow the board: %s", error)
                await asyncio.sleep(_PAUSE)

    async def _carried_out(self, order: Order) -> str:
        """Why it was not; "" where it was."""
        try:
            if order.kind == "stage":
                await self._stage(order.files)
            elif order.kind == "offer":
                await self._offer()
            elif order.kind == "drop":
                await self._drop()
        except (LangsteerError, httpx.HTTPError, OSError) as error:
            logger.error("%s: %s", order.kind, error)
            return str(error) or type(error).__name__
        return ""

    async def _stage(self, files: Files) -> None:
        """Have the server load and prove what differs, and offer none of it.

        Raises:
            MemberError: it refuses one. All are as before then.
        """
        before, self._staged = self._staged, files
        await asyncio.to_thread(_write, self._folder, files)
        try:
            for file in [name for name in files if before.get(name) != files[name]]:
                await self._post(f"{_PROFILES}/{file.rpartition('.')[0]}/load", offer="false")
        except BaseException:
            await self._drop()
            raise

    async def _drop(self) -> None:
        """Let go of what is staged: what is on offer already is all that the files hold again."""
        await asyncio.to_thread(_write, self._folder, self._files)
        self._staged = self._files
        await self._post(f"{_PROFILES}/reload")

    async def _offer(self) -> None:
        """Put all that is staged on offer, and take away what has no file any more."""
        report = await self._post(f"{_PROFILES}/reload")
        if report["refused"]:
            listed = "; ".join(f"{each['file']}: {each['reason']}" for each in report["refused"])
            raise MemberError(listed)
        self._files = self._staged

    async def _post(self, path: str, **query: str) -> dict[str, Any]:
        answer = await self._client.post(path, params=query)
        if answer.status_code != httpx.codes.OK:
            raise MemberError(f"{path} was answered with {answer.status_code}: {_said(answer)}")
        found: dict[str, Any] = answer.json()
        return found


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]


def _write(folder: Path, files: Files) -> None:
    """Make the folder hold these files and no others; each appears whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_atomically(folder / name, data)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
