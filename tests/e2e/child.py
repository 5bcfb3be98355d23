"""A script of this folder in a process of its own: one that has vLLM, or has it stock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def run_script(
    name: str, spec: dict[str, Any], folder: Path, *, timeout: float, threads: int | None = 1
) -> Any:
    """What `python NAME SPEC OUT` writes to OUT.

    Args:
        name: of a file in this folder.
        spec: given to it as JSON.
        folder: where specification, output and log are kept.
        timeout: seconds.
        threads: of each process; vLLM's choice if None.
    """
    (folder / "spec.json").write_text(json.dumps(spec))
    environment = {**os.environ, "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    with (folder / "log").open("w") as stream:
        done = subprocess.run(
            [sys.executable, HERE / name, folder / "spec.json", folder / "out.json"],
            stdout=stream,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env=environment,
            check=False,
        )
    assert done.returncode == 0, (folder / "log").read_text()[-6000:]
    return json.loads((folder / "out.json").read_text())
