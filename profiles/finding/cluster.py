"""Whether a Ray cluster answers at an address, found out in seconds.

Ray itself tries an address where nothing is for minutes, and then may end the whole process.
"""

from __future__ import annotations

import os
import socket

from profiles.finding.backend import BackendError

_CLIENT, _CLIENT_PORT = "ray://", 10001
# What an HTTP/2 connection begins with (RFC 9113, section 3.4): the magic and empty settings,
# which every gRPC server, as Ray's are, answers with settings of its own.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_FRAME, _SETTINGS = 9, 4


def probe_cluster(address: str, timeout: float = 10.0) -> None:
    """Return if a cluster answers at `address`; a cluster Ray looks up itself is left to Ray.

    Args:
        address: as for `ray.init`: "host:port", "ray://host:port", "auto" or "local".
        timeout: seconds for the connection, and again for an answer.

    Raises:
        BackendError: nothing listens there, what listens is not Ray, or it is no address; says
            what to look at.
    """
    if address in ("auto", "local") or ("://" in address and not address.startswith(_CLIENT)):
        return
    host, port = _host_and_port(address)
    try:
        with socket.create_connection((host, port), timeout) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() not in ("1", "true"):
                connection.sendall(_HELLO)
                if not _speaks(connection):
                    raise BackendError(
                        f"what listens at {address} is not Ray; give the address that "
                        "`ray start --head` printed"
                    )
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or error
        raise BackendError(
            f"no Ray cluster answers at {address} ({reason}, waited at most {timeout:g} s); is it "
            "running (`ray status`), and is the port open?"
        ) from error


def _speaks(connection: socket.socket) -> bool:
    answer = b""
    while len(answer) < _FRAME:
        part = connection.recv(_FRAME - len(answer))
        if not part:
            return False
        answer += part
    return answer[3] == _SETTINGS


def _host_and_port(address: str) -> tuple[str, int]:
    place = address.removeprefix(_CLIENT).partition("/")[0]
    host, _, port = place.rpartition(":")
    if not host and address.startswith(_CLIENT):
        host, port = place, str(_CLIENT_PORT)
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise BackendError(f"{address!r} is no Ray address; expected host:port, e.g. head:6379")
    return host.strip("[]"), int(port)
