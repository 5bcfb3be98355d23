from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from profiles.finding.backend import BackendError
from profiles.finding.cluster import probe_cluster

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@contextmanager
def _listening(answer: bytes | None) -> Iterator[int]:
    """A server that says `answer` to everyone who begins; nothing at all for None."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # hung up on
                connection, _ = server.accept()
                with connection:
                    connection.recv(64)
                    if answer is not None:
                        connection.sendall(answer)
                        return
                    connection.recv(64)  # until the other side gives up

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def _unused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "ray://127.0.0.1:{}/path"])
def test_nothing_there_is_known_at_once(form: str) -> None:
    address, begun = form.format(_unused()), time.monotonic()
    with pytest.raises(BackendError, match=f"no Ray cluster answers at {address}"):
        probe_cluster(address)
    assert time.monotonic() - begun < 10


def test_something_that_says_nothing_is_given_up_on() -> None:
    begun = time.monotonic()
    with _listening(None) as port, pytest.raises(BackendError, match=r"no answer, .* 0\.2 s"):
        probe_cluster(f"127.0.0.1:{port}", timeout=0.2)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0"])
def test_something_else_is_not_taken_for_ray(answer: bytes) -> None:
    with _listening(answer) as port, pytest.raises(BackendError, match="is not Ray"):
        probe_cluster(f"127.0.0.1:{port}")


def test_a_grpc_server_will_do() -> None:
    for form in ("127.0.0.1:{}", "ray://127.0.0.1:{}"):
        with _listening(SETTINGS) as port:
            probe_cluster(form.format(port))


def test_with_tls_a_connection_must_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USE_TLS", "1")
    with _listening(b"\x15\x03\x01") as port:
        probe_cluster(f"127.0.0.1:{port}")


def test_what_ray_looks_up_itself_is_left_to_it() -> None:
    for address in ("auto", "local", "anyscale://some/cluster"):
        probe_cluster(address)


@pytest.mark.parametrize("address", ["head", "6379", "head:port", "head:70000", ":6379"])
def test_no_address_at_all(address: str) -> None:
    with pytest.raises(BackendError, match=r"is no Ray address; expected host:port"):
        probe_cluster(address)
