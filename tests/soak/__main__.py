"""`python -m tests.soak`: hold the demo's server under load while everything around it changes.

Prints JSON; ends with 1 where an answer was lost, wrong or unsteered. Figures: docs/operations.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.run import Soak, soak
from tests.soak.verdict import failures


def main() -> int:
    """Run it as the arguments say; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--tokens", type=int, default=32, help="of each answer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-kill", action="store_true", help="let the worker live")
    parser.add_argument("--out", type=Path, help="folder that keeps logs and report.json")
    chosen = parser.parse_args()
    folder = chosen.out or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        parser.error(f"{folder} is not empty")
    wanted = Soak(
        clients=chosen.clients,
        seconds=60 * chosen.minutes,
        tokens=chosen.tokens,
        kill_at=None if chosen.no_kill else 0.6,
        seed=chosen.seed,
    )
    begun = time.monotonic()

    def told(line: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {line}", file=sys.stderr, flush=True)

    account = asyncio.run(soak(wanted, folder, told))
    text = json.dumps(account, ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text)
    print(text)
    found = failures(account)
    for line in found:
        print(f"FAILED: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
