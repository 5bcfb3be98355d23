"""Whether a soak went well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def failures(account: Mapping[str, Any]) -> list[str]:
    """What of an account must not be, in words; nothing where all is well."""
    found = [
        f"{account['by_end'][end]} requests were {end}"
        for end in ("lost", "cut")
        if account["by_end"].get(end)
    ]
    found += [
        f"{account['whole_answers'][bad]} whole answers were {bad}"
        for bad in ("wrong", "unsteered", "misnamed", "unjudged")
        if account["whole_answers"].get(bad)
    ]
    found += [f"an operator was answered {problem}" for problem in account["operator_problems"]]
    if account["rows_in_use_at_the_end"]:
        found.append(f"{account['rows_in_use_at_the_end']:g} rows are in use though nobody asks")
    if not account["whole_answers"].get("equal"):
        found.append("no answer was compared with the same request alone")
    return found
