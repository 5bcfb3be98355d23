"""Refusing a websocket before it is one."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket


async def deny(response: Response, reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a handshake with an HTTP response, or, from servers that cannot, a close.

    Args:
        response: the answer.
        reason: of the close; its beginning is sent.
        scope, receive, send: of the connection.
    """
    socket = WebSocket(scope, receive, send)
    await socket.receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        return await socket.send_denial_response(response)
    return await socket.close(1008, reason[:120])
