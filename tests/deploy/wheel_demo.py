"""`python -m tests.deploy.wheel_demo`: the demo, from the built wheel, outside the checkout.

Builds the wheel from a copy of the tree, installs it alone into a new environment that finds the
big packages in this one's, and runs the demo in a folder of its own; ends with the demo's status.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.deploy.wheel import build, copy_tree, installed

_ORIGIN = """
import profiles, server, steering, sys
for module in (profiles, steering, server):
    print(f"  {module.__name__} is {module.__file__}")
    if not module.__file__.startswith(sys.prefix):
        sys.exit(f"{module.__name__} is not the wheel's")
"""


def main() -> int:
    """Run it as the arguments say; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.wheel_demo", description=__doc__)
    parser.add_argument("--wheel", type=Path, help="take this one instead of building one")
    parser.add_argument("--only-install", action="store_true", help="do not run the demo")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="langsteer-wheel-") as made:
        place = Path(made)
        wheel = chosen.wheel or build("wheel", copy_tree(place / "tree"), place / "dist")
        print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MiB", flush=True)
        with installed(wheel.resolve(), place) as elsewhere:
            steps = [[elsewhere.python, "-c", _ORIGIN], elsewhere.command("--version")]
            if not chosen.only_install:
                steps.append([elsewhere.python, "-m", "server.demo"])
            for step in steps:
                done = subprocess.run(
                    step, cwd=elsewhere.folder, env=elsewhere.variables(), check=False
                )
                if done.returncode:
                    return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
