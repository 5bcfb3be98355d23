"""Has a langsteer server read its files again when they change; beside it in the pod.

Kubernetes brings a changed ConfigMap, Secret or volume into the pod; the server reads it when it is
told to. Python's own library only, so that it runs wherever the server's image does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120  # replacing a folder of profiles proves each of them
# The server is not listening yet, is too busy, or does not take our key: it may be otherwise soon.
AGAIN = {0, 401, 403, 429, 500, 502, 503, 504}


def of_file(path: Path) -> str:
    """What a file holds, as a digest; "" where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def of_folder(path: Path) -> str:
    """Names, sizes and times of a folder's profiles: to read them all each time is too much."""
    try:
        found = [(p.name, p.stat()) for p in sorted(path.glob("*.safetensors"))]
    except OSError:
        return ""
    return repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in found])


@dataclass
class Watched:
    """Something the server reads on request.

    Attributes:
        kind: what the server's endpoint calls it.
        look: gives what it is like now; "" where it is not there.
        taken: what it was like when the server last read it, None before the first time.
        seen: what it was like at the last look.
    """

    kind: str
    look: Callable[[], str]
    taken: str | None = None
    seen: str = ""

    def changed(self) -> str:
        """What it is like now, if that is new and no longer being written; else ""."""
        before, self.seen = self.seen, self.look()
        return self.seen if self.seen == before and self.seen != self.taken else ""


class Server:
    """The server's endpoints for operators.

    Args:
        url: of the server, within the pod.
        key_file: of a key that may operate it, read anew each time; or None.
    """

    def __init__(self, url: str, key_file: Path | None) -> None:
        self._url = url
        self._key_file = key_file
        # The certificate is for the name that clients know, not for this pod's loopback.
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def reload(self, kind: str) -> tuple[int, str]:
        """(HTTP status, 0 where there was no answer; what it said)."""
        headers = {}
        if self._key_file is not None:
            try:
                headers["Authorization"] = f"Bearer {self._key_file.read_text().strip()}"
            except OSError as error:
                return 0, f"cannot read the key: {error}"
        try:
            address = f"{self._url}/v1/steering/{kind}/reload"
            request = urllib.request.Request(address, b"", headers, method="POST")
            context = self._tls if address.startswith("https:") else None
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except (OSError, ValueError) as error:
            return 0, str(error)


def told(kind: str, status: int, text: str) -> str:
    """A line about an answer: what was taken, or what was wrong."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    if status == 200:
        lists = ("loaded", "removed", "refused", "pinned", "draining")
        parts = [f"{name}: {json.dumps(answer[name])}" for name in lists if answer.get(name)]
        digest = str(answer.get("digest", ""))[:12]
        return f"{kind}: reloaded {digest}".rstrip() + "".join(f"; {part}" for part in parts)
    error = answer.get("error")
    said = error.get("message", text) if isinstance(error, dict) else text
    if status == 0:
        return f"{kind}: not read again yet: {said}"
    if status in (401, 403):
        said = f"{said} (operatorKey.existingSecret is to hold a key that may operate the server)"
    again = "; will ask again" if status in AGAIN else "; what was in force stays"
    return f"{kind}: HTTP {status}: {said}{again}"


def watch(watched: Watched, server: Server) -> str:
    """Look once, and have it read if it changed; returns what to log, "" for nothing."""
    now = watched.changed()
    if not now:
        return ""
    status, text = server.reload(watched.kind)
    if status not in AGAIN:
        watched.taken = now  # also where the file is bad: only another one can be better
    return told(watched.kind, status, text)


def main() -> None:
    """Look every few seconds, until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--policy", type=Path)
    parser.add_argument("--access", type=Path)
    parser.add_argument("--profiles", type=Path)
    parser.add_argument("--key-file", type=Path)
    args = parser.parse_args()
    # The first process of a container has no default for it, and would hold up the pod's end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(args.url, args.key_file)
    # What changed between the server's start and ours is read at our first looks.
    all_watched = [
        Watched(kind, lambda look=look, path=path: look(path))
        for kind, path, look in (
            ("profiles", args.profiles, of_folder),
            ("policy", args.policy, of_file),
            ("access", args.access, of_file),
        )
        if path is not None
    ]
    last: dict[str, str] = {}
    while True:
        for watched in all_watched:
            said = watch(watched, server)
            # A server that loads its model for minutes is told of once.
            if said and last.get(watched.kind) != said:
                print(said, flush=True)
                last[watched.kind] = said
        time.sleep(args.seconds)


if __name__ == "__main__":
    main()
