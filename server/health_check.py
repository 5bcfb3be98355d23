"""Is the server up? For container health checks and systemd, which need an exit status.

python -I -m server.health_check [--url URL] [--wait SECONDS] [--pid PID] [--timeout SECONDS]

Standard library only: it runs every few seconds, beside a server that needs the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

URL = "LANGSTEER_HEALTH_URL"
PORT = "LANGSTEER_LISTEN_PORT"
_PATH = "/steering/health/live"
_PAUSE = 1.0
# Probes are for this machine: a proxy meant for model downloads has no part in them.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where the server answers with 200, else 1 and the reason on standard error."""
    options = _options(arguments)
    deadline = time.monotonic() + options.wait
    while reason := unhealthy(options.url, options.timeout):
        if options.pid is not None and not _runs(options.pid):
            reason = f"the server (process {options.pid}) has ended; its log says why"
        elif time.monotonic() < deadline:
            time.sleep(_PAUSE)
            continue
        elif options.wait:
            reason = f"not up after {options.wait:.0f} s: {reason}"
        print(f"langsteer health check: {reason}", file=sys.stderr)
        return 1
    return 0


def unhealthy(url: str, timeout: float) -> str | None:
    """Why the server is not healthy; None where it answers 200 within `timeout` seconds."""
    try:
        with _OPENER.open(url, timeout=timeout) as answer:
            if answer.status == 200:
                return None
            return f"{url} answers {answer.status}"
    except urllib.error.HTTPError as error:
        with error:
            return f"{url} answers {error.code}{_reasons(error.read())}"
    except (OSError, ValueError) as error:  # refused, timed out, TLS; not a URL
        return f"{url}: {getattr(error, 'reason', error)}"


def default_url(environment: Mapping[str, str]) -> str:
    """Where to ask, by the environment; a server on this machine, over plain HTTP."""
    return environment.get(URL) or f"http://127.0.0.1:{environment.get(PORT) or 8000}{_PATH}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m server.health_check", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--url", default=default_url(os.environ), help="default: %(default)s")
    parser.add_argument(
        "--wait", type=float, default=0.0, help="seconds to go on asking until it is up"
    )
    parser.add_argument(
        "--pid", type=int, help="the server's process: stop waiting once that has ended"
    )
    parser.add_argument("--timeout", type=float, default=4.0, help="seconds to wait for an answer")
    return parser.parse_args(arguments)


def _reasons(body: bytes) -> str:
    try:
        return f" ({', '.join(json.loads(body)['reasons'])})"
    except (ValueError, KeyError, TypeError):
        return ""


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    sys.exit(main())
