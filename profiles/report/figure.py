"""A matplotlib figure as inline SVG that takes its colours from the page's style sheet."""

from __future__ import annotations

import re
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Drawn with these, replaced by variables: one drawing serves the light and the dark scheme.
INK, QUIET, LINE, HEAT = "#010101", "#010102", "#010103", "#010104"
SERIES = tuple(f"#0200{n:02x}" for n in range(7))
_VARIABLES = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    HEAT: "var(--heat)",
    **{color: f"var(--s{n + 1})" for n, color in enumerate(SERIES)},
}
_STYLE = {
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's font
    "svg.hashsalt": "langsteer",  # the same data, the same page
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


class Drawing:
    """One plot in the making: a context in which matplotlib draws in the page's style.

    Args:
        width, height: in inches; an inch is 72 units of the SVG.
        margins: left, right, bottom, top, in inches. Fixed, so that plots beside each other line
            up, and because matplotlib cannot know the page's font.
    """

    def __init__(
        self, width: float, height: float, margins: tuple[float, float, float, float]
    ) -> None:
        left, right, bottom, top = margins
        self._style = mpl.rc_context(_STYLE)
        self._size = (width, height)
        inner = (width - left - right) / width, (height - bottom - top) / height
        self._place = (left / width, bottom / height, *inner)

    def __enter__(self) -> Drawing:
        self._style.__enter__()
        self._figure = Figure(figsize=self._size, facecolor="none")
        self.axes: Any = self._figure.add_axes(self._place, facecolor="none")
        return self

    def __exit__(self, *error: Any) -> None:
        self._style.__exit__(*error)

    def legend(self) -> None:
        """What the axes' series are, in a row above them."""
        self.axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.02, 0.99),
            ncols=3,
            borderpad=0,
            columnspacing=0.9,
            handletextpad=0.4,
            handlelength=1.6,
            fontsize=7.5,
        )

    def svg(self, key: str, label: str) -> str:
        """The `<svg>` element.

        Args:
            key: unlike that of any other drawing on the page: element ids begin with it.
            label: what it shows, for those who cannot see it.
        """
        out = StringIO()
        empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(self._figure).print_svg(out, metadata=empty)
        return _inline(out.getvalue(), key, label)


def _inline(text: str, key: str, label: str) -> str:
    text = text[text.index("<svg") :]
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert size
    text = text[text.index(">") + 1 :]
    text = re.sub(
        r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL
    )
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'\bid="([^"]*)"', rf'id="{key}-\1"', text)
    text = re.sub(r"url\(#([^)]*)\)", rf"url(#{key}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]*)"', rf'href="#{key}-\1"', text)
    text = re.sub(r"font-family: [^;\"]*;? ?| transform=\"rotate\(-0 [^\"]*\"", "", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    text = re.sub(r"\n\s*", "\n", text)
    width, height = size.groups()
    return (
        f'<svg viewBox="0 0 {width} {height}" style="--width: {width}" role="img" '
        f'aria-label="{escape(label)}" focusable="false">{text}'
    )
