"""`python -m tests.run`: all tests, in two processes.

One starts vLLM's engines, one after the other: two would not fit into memory. An engine that comes
up has work for one core; the other process has the remaining tests, and the other core. Ends with
1 where a test failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

_PYTEST = [sys.executable, "-m", "pytest", "-m"]


def main() -> int:
    """Run them; the exit status."""
    # Threads that wait for each other must not spin on cores that others have work for.
    of_engines = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    of_others = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as kept:
        with subprocess.Popen(
            [*_PYTEST, "not e2e"], env=of_others, stdout=kept, stderr=subprocess.STDOUT
        ) as others:
            print("tests without an engine run beside these, and are shown after them", flush=True)
            engines = subprocess.run([*_PYTEST, "e2e"], env=of_engines, check=False).returncode
            print("waiting for the tests without an engine", flush=True)
            status = others.wait()
        kept.seek(0)
        print(kept.read(), flush=True)
    return 1 if engines or status else 0


if __name__ == "__main__":
    sys.exit(main())
