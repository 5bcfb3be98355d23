"""How much memory the server's processes take over time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import psutil

from tests.soak.supervisor import role

_MIB = 2**20


class Memory:
    """Resident memory, by process and time; each start of the server is counted on its own."""

    def __init__(self) -> None:
        # (start, role) -> [(seconds, MiB)]
        self._samples: dict[tuple[int, str], list[tuple[float, float]]] = {}

    def sample(self, start: int, processes: Iterable[psutil.Process]) -> None:
        """Note what each process takes now."""
        now = time.monotonic()
        totals: dict[str, float] = {}
        for process in processes:
            try:
                name, mib = role(process), process.memory_info().rss / _MIB
            except psutil.Error:
                continue
            totals[name] = totals.get(name, 0.0) + mib
        for name, mib in totals.items():
            self._samples.setdefault((start, name), []).append((now, mib))

    def account(self, warm_up: float) -> list[dict[str, Any]]:
        """Of each process its median in each quarter after `warm_up` seconds, and its slope."""
        found: list[dict[str, Any]] = []
        for (start, name), samples in sorted(self._samples.items()):
            begun = samples[0][0]
            warm = [(t, mib) for t, mib in samples if t - begun >= warm_up]
            if len(warm) < 10:
                continue
            seconds, mib = np.array(warm).T
            quarters = [round(float(np.median(part)), 1) for part in np.array_split(mib, 4)]
            found.append(
                {
                    "start": start,
                    "process": name,
                    "minutes": round((seconds[-1] - seconds[0]) / 60, 2),
                    "mib_by_quarter": quarters,
                    "mib_a_minute": round(float(np.polyfit(seconds / 60, mib, 1)[0]), 2),
                }
            )
        return found
