"""matplotlib without a screen, and figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: there may be no screen

from matplotlib import pyplot as plt

from profiles.errors import LangsteerError

__all__ = ["plt", "save"]


def save(figure: Any, stem: Path) -> list[Path]:
    """Write the figure as PNG and SVG and close it; returns the files.

    Args:
        figure: of matplotlib.
        stem: the files without their suffix; their folder is made where it is missing.

    Raises:
        LangsteerError: one cannot be written.
    """
    files = [stem.with_suffix(suffix) for suffix in (".png", ".svg")]
    try:
        for file in files:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                figure.savefig(file, dpi=150)
            except OSError as error:
                raise LangsteerError(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        plt.close(figure)
    return files
