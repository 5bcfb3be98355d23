"""Devices, as their makers' data sheets have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steering.errors import EngineError

_FIELDS = ("memory_gb", "bandwidth_gb_per_second", "matrix_tflops", "float32_tflops")


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One device.

    Attributes:
        name: what it is.
        memory_bytes: of its own memory; makers' gigabytes are 10**9.
        bytes_per_second: between that and its processors.
        matrix_flops: operations a second on 16-bit matrices, without sparsity. The model runs
            on these.
        float32_flops: without tensor cores. The edit runs on these: torch multiplies float32
            matrices in float32 unless it is told otherwise.
        source: where the figures are from.
    """

    name: str
    memory_bytes: float
    bytes_per_second: float
    matrix_flops: float
    float32_flops: float
    source: str

    @classmethod
    def of(cls, facts: Mapping[str, Any], origin: str) -> Hardware:
        """A device of the user's own.

        Args:
            facts: memory_gb, bandwidth_gb_per_second, matrix_tflops and float32_tflops; name
                and source if there are any.
            origin: where they are from, for errors.

        Raises:
            EngineError: one is missing or no positive number, or a name is unknown.
        """
        known = {"name", "source", *_FIELDS}
        if unknown := sorted({*facts} - known):
            raise EngineError(f"{origin}: unknown {', '.join(unknown)}; known: {_listed(known)}")
        for name in _FIELDS:
            value = facts.get(name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not value > 0:  # type: ignore[operator]
                raise EngineError(f"{origin}: {name} is {value!r}, must be a number above 0")
        return cls(
            name=str(facts.get("name") or Path(origin).stem),
            memory_bytes=facts["memory_gb"] * 1e9,
            bytes_per_second=facts["bandwidth_gb_per_second"] * 1e9,
            matrix_flops=facts["matrix_tflops"] * 1e12,
            float32_flops=facts["float32_tflops"] * 1e12,
            source=str(facts.get("source") or origin),
        )


def _nvidia(
    name: str, memory: float, bandwidth: float, matrix: float, float32: float, sheet: str
) -> Hardware:
    facts = dict(zip(_FIELDS, (memory, bandwidth, matrix, float32), strict=True))
    return Hardware.of({**facts, "name": name, "source": f"NVIDIA, {sheet} data sheet"}, name)


# Sheets give Ada's and Hopper's matrix figures with sparsity, twice what dense matrices get.
HARDWARE: dict[str, Hardware] = {
    "l4": _nvidia("L4", 24, 300, 121, 30.3, "L4 Tensor Core GPU"),
    "l40s": _nvidia("L40S", 48, 864, 362, 91.6, "L40S GPU"),
    "a100": _nvidia("A100 80GB SXM", 80, 2039, 312, 19.5, "A100 Tensor Core GPU"),
    "h100": _nvidia("H100 SXM", 80, 3350, 989, 67, "H100 Tensor Core GPU"),
    "h200": _nvidia("H200 SXM", 141, 4800, 989, 67, "H200 Tensor Core GPU"),
}


def hardware(name: str) -> Hardware:
    """A device by its name here, or from a JSON file of the user's own.

    Raises:
        EngineError: there is no such device and no such file, or the file is no good.
    """
    if (found := HARDWARE.get(name.lower())) is not None:
        return found
    if not name.endswith(".json"):
        raise EngineError(
            f"unknown hardware {name!r}; known are {', '.join(HARDWARE)}, or give a .json file "
            f"with {', '.join(_FIELDS)}"
        )
    try:
        facts = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"cannot read {name}: {error}") from error
    if not isinstance(facts, dict):
        raise EngineError(f"{name} is not a JSON object")
    return Hardware.of(facts, name)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
