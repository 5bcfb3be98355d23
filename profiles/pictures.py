"""matplotlib without a screen, and figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: there may be no screen

from matplotlib import pyplot as plt

__all__ = ["plt", "save"]


def save(figure: Any, stem: Path) -> list[Path]:
    """Write the figure as PNG and SVG and close it; returns the files."""
    files = [stem.with_suffix(suffix) for suffix in (".png", ".svg")]
    for file in files:
        figure.savefig(file, dpi=150)
    plt.close(figure)
    return files
