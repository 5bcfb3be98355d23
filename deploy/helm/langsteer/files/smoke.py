"""What `helm test` asks a release: is it ready, what does it offer, does it steer?

Ends with 1 and the reason where it is not, or does not.
"""

from __future__ import annotations

import argparse
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


class Failed(Exception):
    """The release does not do what it should; the text says what."""


class Release:
    """A server, asked as a client would.

    Args:
        url: of the Service.
        key: an API key, or "".
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Whether its certificate is right is for its clients to say, by the name they know.
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def ask(self, path: str, body: object = None) -> tuple[Any, dict[str, str]]:
        """(the answer, its headers by names in lower case).

        Raises:
            Failed: it is no 200, or there is none.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers)
        context = self._tls if self._url.startswith("https:") else None
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:
                found = {name.lower(): value for name, value in answer.headers.items()}
                return json.load(answer), found
        except urllib.error.HTTPError as error:
            raise Failed(f"{path}: HTTP {error.code}: {error.read(2000).decode()}") from error
        except (OSError, ValueError) as error:
            raise Failed(f"{path}: {error}") from error


def check(release: Release, *, completion: bool, keyed: bool) -> str:
    """What was found, in a line.

    Raises:
        Failed: something is not as it should be.
    """
    release.ask("/steering/health/ready")
    try:
        profiles = release.ask("/v1/steering/profiles")[0]["data"]
        if not profiles:
            raise Failed("/v1/steering/profiles: no profile is on offer")
        offer = f"ready; offers {', '.join(profile['id'] for profile in profiles)}"
        targets = [p["language"] for p in profiles if "target" in p["edits"]]
        if not completion or not targets:
            return offer
        model = release.ask("/v1/models")[0]["data"][0]["id"]
    except Failed as failed:
        if "HTTP 401" in str(failed) and not keyed:
            return "ready; wants a key: set operatorKey.existingSecret to have more tested"
        raise
    wish = {"target": targets[0]}
    body = {"model": model, "prompt": "The", "max_tokens": 4, "steering": wish}
    answer, headers = release.ask("/v1/completions", body)
    applied = headers.get("x-steering-profile", "")
    if not applied or applied.startswith("none"):
        raise Failed(f"asked for {wish}, and X-Steering-Profile is {applied!r}")
    text = answer["choices"][0]["text"]
    return f"{offer}; steered: {applied}; wrote {text!r}"


def main() -> None:
    """Ask for a minute: a Service's addresses may come a little after its pods."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--completion", action="store_true")
    parser.add_argument("--key-file", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    key = args.key_file.read_text().strip() if args.key_file else ""
    end = time.monotonic() + args.seconds
    while True:
        try:
            print(check(Release(args.url, key), completion=args.completion, keyed=bool(key)))
            return
        except Failed as failed:
            if time.monotonic() >= end:
                print(f"failed: {failed}")
                sys.exit(1)
        time.sleep(2)


if __name__ == "__main__":
    main()
