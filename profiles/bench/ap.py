"""Average precision at a large model's size: `python -m profiles.bench.ap [--json] [--mapped]`.

Random float16 responses, 4,000 sentences of 8 languages by the 352,256 neurons of Llama-2-7B
(32 layers of 11,008), 2.8 GB. Seconds, and the peak of the process's resident memory, everything
included, against twice the size of the responses. --mapped leaves the responses in a file; the
pages of it that the system keeps at hand count as resident too, so the memory that is the
process's own is reported besides. Seconds are the median of some rounds. A few neurons are scored
by scikit-learn too; the output says how far apart the scores are.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.finding.average_precision import average_precision

_NEURONS = 32 * 11_008
_CHECKED = 16  # neurons
_STATUS = Path("/proc/self/status")


def measure(
    sentences: int, neurons: int, languages: int, *, mapped: bool, rounds: int = 1
) -> dict[str, Any]:
    """Time and memory of scoring random responses.

    Args:
        sentences, neurons, languages: how many.
        mapped: leave the responses in a temporary file.
        rounds: how often.
    """
    labels = (np.arange(sentences) % languages).astype(np.int32)
    with tempfile.TemporaryFile(prefix="langsteer-") as file:
        responses = _responses(file if mapped else None, sentences, neurons)
        before = _peak()
        with _OwnMemory() as own:
            times = []
            for _ in range(rounds):
                begun = time.perf_counter()
                scores = average_precision(responses, labels, languages)
                times.append(time.perf_counter() - begun)
        peak = _peak()
        from profiles.bench.plain import plain_scores  # only now: torch comes with it

        some = np.linspace(0, neurons - 1, min(_CHECKED, neurons)).astype(int)
        checked = plain_scores(responses[:, some].astype(np.float32), labels, languages)
    seconds = statistics.median(times)
    return {
        "sentences": sentences,
        "neurons": neurons,
        "languages": languages,
        "mapped": mapped,
        "seconds": round(seconds, 2),
        "seconds_each": [round(s, 2) for s in times],
        "neurons_per_second": round(neurons / seconds),
        "response_bytes": responses.nbytes,
        "score_bytes": scores.nbytes,
        "peak_resident_before_bytes": before,
        "peak_resident_bytes": peak,
        "peak_own_bytes": own.peak,
        "peak_over_responses": round(peak / responses.nbytes, 3),
        "largest_score_difference": float(np.abs(scores[:, some] - checked).max()),
    }


def _responses(file: Any, sentences: int, neurons: int) -> NDArray[np.float16]:
    shape = (sentences, neurons)
    responses: NDArray[np.float16] = (
        np.empty(shape, np.float16) if file is None else np.memmap(file, np.float16, "w+", 0, shape)
    )
    rng = np.random.default_rng(0)
    for row in responses:  # a row at a time: the random numbers are wider than what is kept
        row[:] = rng.standard_normal(neurons, np.float32)
    return responses


def _peak() -> int:
    """Bytes, the highest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class _OwnMemory:
    """Watches the resident memory that is no file's; 0 where the system does not say."""

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _OwnMemory:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while _STATUS.exists() and not self._done.wait(0.02):
            for line in _STATUS.read_text().splitlines():
                if line.startswith("RssAnon:"):
                    self.peak = max(self.peak, 1024 * int(line.split()[1]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Average precision at a large model's size.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--sentences", type=int, default=4000)
    parser.add_argument("--neurons", type=int, default=_NEURONS)
    parser.add_argument("--languages", type=int, default=8)
    parser.add_argument("--mapped", action="store_true", help="leave the responses in a file")
    parser.add_argument("--rounds", type=int, default=3, help="how often (default 3)")
    options = parser.parse_args()
    r = measure(
        options.sentences,
        options.neurons,
        options.languages,
        mapped=options.mapped,
        rounds=options.rounds,
    )
    if options.json:
        print(json.dumps(r))
        return
    gigabytes = {name: f"{r[f'{name}_bytes'] / 1e9:.2f} GB" for name in ("response", "peak_own")}
    print(
        f"{r['sentences']} sentences x {r['neurons']} neurons, {r['languages']} languages: "
        f"{r['seconds']} s ({r['neurons_per_second']} neurons/s); responses "
        f"{gigabytes['response']}, peak resident {r['peak_resident_bytes'] / 1e9:.2f} GB, "
        f"{r['peak_over_responses']} times that; not in files {gigabytes['peak_own']}"
    )


if __name__ == "__main__":
    main()
