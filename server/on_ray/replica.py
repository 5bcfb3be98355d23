"""One of several servers: a process of its own, the board's profiles, Ray Serve's requests."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response

from server.on_ray.forward import Forward
from server.on_ray.member import Member, MemberError, RemoteBoard
from server.on_ray.options import Options
from server.on_ray.own_server import OwnServer

_STOP_SECONDS = 60.0
_CHANGE_SECONDS = 600.0


class Replica:
    """What runs in a replica; Ray Serve calls these methods by their names.

    Args:
        options: of the application.
        board: to follow.
        name: of the replica, among all of the application.
    """

    def __init__(self, options: Options, board: RemoteBoard, name: str) -> None:
        self._options = options
        self._board = board
        self._name = name
        self._folder = Path(tempfile.mkdtemp(prefix="langsteer-replica-"))
        self._server: OwnServer | None = None
        self._member: Member | None = None
        self._forward: Forward | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self, files: dict[str, bytes]) -> None:
        """Start the server, wait until it has proven its profiles, and take part in updates.

        Args:
            files: of the board, in force just now.

        Raises:
            LangsteerError: the server did not start, or the board's profiles are not its model's.
        """
        for name, data in files.items():
            (self._folder / name).write_bytes(data)
        options = self._options
        self._server = OwnServer(options.model, self._folder, options.options, options.environment)
        try:
            await self._server.ready(options.start_seconds)
            key = options.operator_key()
            client = httpx.AsyncClient(
                base_url=self._server.url,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=_CHANGE_SECONDS,
            )
            self._member = Member(self._name, self._board, self._folder, files, client)
            # Updates of the time it took to start are in force too.
            await self._member.enter()
        except BaseException:
            self.stop()
            raise
        self._forward = Forward(self._server.url, self._name)
        self._following = asyncio.create_task(self._member.follow())

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        assert self._forward is not None, "Ray Serve gives requests to replicas that have started"
        return await self._forward(request)

    async def check_health(self) -> None:
        """For Ray Serve, which replaces a replica that is not well.

        Raises:
            LangsteerError: its server has ended, or lacks the profiles that are in force.
        """
        if self._server is not None:
            self._server.check()
        if self._member is not None and self._member.trouble:
            raise MemberError(f"not in step with the board: {self._member.trouble}")

    def stop(self) -> None:
        """End the server, and leave nothing behind."""
        if self._following is not None:
            self._following.cancel()
        if self._server is not None:
            self._server.stop(_STOP_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)


def remote_board(actor: Any) -> RemoteBoard:
    """The board behind an actor's handle."""

    class _Remote:
        def enter(self, replica: str, has: str) -> Any:
            return actor.enter.remote(replica, has)

        def order(self, replica: str, answer: Any) -> Any:
            return actor.order.remote(replica, answer)

    return _Remote()
