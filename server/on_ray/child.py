"""`langsteer serve`, ended by the system when the process that started it ends.

`python -m server.on_ray.child PARENT serve MODEL …`: PARENT is the number of that process. Ray
kills replicas that do not stop in time, and then nothing of theirs runs to end the server.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run the `langsteer` command."""
    parent = int(sys.argv.pop(1))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # It may have ended before that.
    if os.getppid() != parent:
        sys.exit(f"process {parent}, which started this server, is gone")
    from server.cli import main as command

    sys.argv[0] = "langsteer"
    command()


if __name__ == "__main__":
    main()
