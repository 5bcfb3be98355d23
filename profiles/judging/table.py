"""The tables of `langsteer evaluate` on screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

_ROLES = {"target": "towards the language", "suppress": "away from it"}
_GOES_TO = "goes to, %"
_WIDTH = 110  # where no terminal says how wide it is


def show_evaluation(result: Mapping[str, Any], out: Path | None = None) -> None:
    """Means over languages, then success by language, then what edits do to other text."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    options = result["options"]
    console.print(
        f"{result['model']['name']}: {options['samples']} samples a cell, {options['tokens']} "
        f"tokens each, seeds from {options['seed']}; text: {result['text']['source']}"
        + ("; answers alone are steered" if options["phase"] == "decode" else "")
    )
    for role, what in _ROLES.items():
        means = [row for row in result["averages"] if row["role"] == role]
        cells = [row for row in result["cells"] if row["role"] == role]
        if means:
            console.print(_means(means, role, what))
        if content := [row for row in means if row["condition"] in ("translate", "answer")]:
            console.print(_content(content, cells))
        if len({cell["language"] for cell in cells}) > 1:
            console.print(_languages(cells, role))
        if damage := [row for row in result["damage"] if row["role"] == role]:
            console.print(_damage(damage, what))
    for skipped in result["skipped"]:
        what = ", ".join(f"{k} {v}" for k, v in skipped.items() if k != "reason")
        console.print(f"[yellow]left out:[/] {what}: {skipped['reason']}")
    where = f"Written to {out}; " if out else ""
    console.print(f"{where}{result['seconds']:.0f} s")


def method_label(row: Mapping[str, Any]) -> str:
    """ "steered × 1.5" for a cell's method and strength."""
    strength = row["strength"]
    return str(row["method"]) if strength is None else f"{row['method']} × {strength:g}"


def short(ratio: float) -> str:
    """A ratio in at most four characters: 1.02, 62.4, 500, 3e6."""
    if ratio < 10:
        return f"{ratio:.2f}"
    if ratio < 1000:
        return f"{ratio:.1f}" if ratio < 99.95 else f"{ratio:.0f}"
    return f"{ratio:.0e}".replace("e+0", "e").replace("e+", "e")


def _means(rows: Sequence[Mapping[str, Any]], role: str, what: str) -> Table:
    main = "success" if role == "target" else "denied"
    shown: dict[str, tuple[str, Callable[[Any], str]]] = {
        f"{main} %": (main, _with_interval),
        "2nd id": ("second", _percent),
        "repeats": ("repetition", _percent),
        "LPR": ("lpr", _percent),
        "WPR": ("wpr", _percent),
        "bits/byte": ("bits_per_byte", _number),
        "× natural": ("bits_ratio_own", _number),
    }
    if role == "suppress":
        shown[_GOES_TO] = ("languages_found", _histogram)
    shown = {t: c for t, c in shown.items() if any(row.get(c[0]) is not None for row in rows)}
    table = _table(
        f"Mean over languages, {what}",
        "In brackets the 95% interval. × natural: bits per byte over those of natural text in the "
        "language each output is in.",
        ("condition", "method"),
        shown,
    )
    last = None
    for row in _ordered(rows, "condition"):
        new = row["condition"] != last
        if new and last is not None:
            table.add_section()
        last = row["condition"]
        values = (show(row.get(key)) for key, show in shown.values())
        table.add_row(last if new else "", method_label(row), *values)
    return table


def _content(rows: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]]) -> Table:
    anchors = [cell["meaning"]["anchor"] for cell in cells if cell.get("meaning")]
    caption = "both: in the language, and with the right meaning or answer. "
    caption += "meaning: the nearest of all references is the output's own."
    if anchors:
        caption += f" The English originals reach {_percent(sum(anchors) / len(anchors))}."
    columns = ("in language", "BLEU", "chrF", "meaning", "answer found", "both")
    table = _table("Content", caption, ("condition", "method"), columns)
    for row in _ordered(rows, "condition"):
        table.add_row(
            row["condition"],
            method_label(row),
            _percent(row["success"]),
            _number(row.get("bleu")),
            _number(row.get("chrf")),
            _percent(row.get("meaning")),
            _with_interval(row.get("answer")),
            _with_interval(row.get("kept")),
        )
    return table


def _languages(cells: Sequence[Mapping[str, Any]], role: str) -> Table:
    main = "success" if role == "target" else "denied"
    conditions = [*dict.fromkeys(cell["condition"] for cell in cells)]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for cell in cells:
        row = rows.setdefault((cell["language"], method_label(cell)), {})
        row[cell["condition"]] = _percent(cell[main])
    table = _table(f"{main.capitalize()} by language, %", None, ("", "method"), conditions)
    last = None
    order = [*dict.fromkeys(language for language, _ in rows)]
    for (language, method), row in sorted(rows.items(), key=lambda item: order.index(item[0][0])):
        if last not in (None, language):
            table.add_section()
        table.add_row(
            language if language != last else "",
            method,
            *(row.get(condition, "") for condition in conditions),
        )
        last = language
    return table


def _damage(rows: Sequence[Mapping[str, Any]], what: str) -> Table:
    texts = [*rows[0]["ratios"]]
    table = _table(
        f"Perplexity of natural text, edited / unedited, steering {what}",
        "Columns: the language of the text.",
        ("", "method"),
        texts,
    )
    for row in rows:
        values = (short(row["ratios"][tag]["value"]) for tag in texts)
        table.add_row(row["language"], method_label(row), *values)
    return table


def _table(
    title: str, caption: str | None, first: Sequence[str], others: Sequence[str] | Mapping[str, Any]
) -> Table:
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    for name in first:
        table.add_column(name, no_wrap=True)
    for name in others:
        # What is long and has blanks gives way: nothing is cut off.
        table.add_column(name, justify="right", no_wrap=name != _GOES_TO)
    return table


def _ordered(rows: Sequence[Mapping[str, Any]], key: str) -> list[Mapping[str, Any]]:
    """Rows of one value of `key` together, values in the order in which they came."""
    order = [*dict.fromkeys(row[key] for row in rows)]
    return sorted(rows, key=lambda row: order.index(row[key]))


def _value(value: Any) -> float | None:
    found = value["value"] if isinstance(value, Mapping) else value
    return None if found is None else float(found)


def _percent(value: Any) -> str:
    found = _value(value)
    return "" if found is None else f"{100 * found:.0f}"


def _number(value: Any) -> str:
    found = _value(value)
    return "" if found is None else f"{found:.2f}"


def _histogram(counts: Mapping[str, int]) -> str:
    """The three most frequent languages and how many % of the outputs are in each."""
    total = max(sum(counts.values()), 1)
    most = sorted(counts.items(), key=lambda item: -item[1])[:3]
    return " ".join(f"{tag} {100 * count / total:.0f}" for tag, count in most)


def _with_interval(share: Mapping[str, Any] | None) -> str:
    if share is None:
        return ""
    return f"{_percent(share)} [{100 * share['low']:.0f}–{100 * share['high']:.0f}]"
