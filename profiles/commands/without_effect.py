"""Options of `langsteer profile` that would change nothing, given with what they do not go with."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from profiles.commands.common import flag, given
from profiles.recipe import FACTORS, LEARNED

# Option → what it needs. Options that are not here have a say in every profile: `--score` ranks
# the detectors that it names, `--seed` parts the text.
_NEEDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "budget": {"method": ("neurons",)},
    "selection": {"method": ("neurons",)},
    "suppress_budget": {"method": FACTORS},
    "suppress_selection": {"method": FACTORS},
    "steps": {"method": LEARNED},
    "seconds": {"method": LEARNED},
    "work": {"method": LEARNED},
    "change": {"method": ("scored",)},
    "neurons": {"method": ("scored",)},
    "factor": {"method": ("scored",), "change": ("scale",)},
    "gain": {"method": ("offset",)},
    "suppress_gain": {"method": ("offset",)},
}
_SUPPRESSING = ("suppress_budget", "suppress_selection", "suppress_gain")


def refuse_without_effect(context: typer.Context) -> None:
    """Refuse options the user gave that this run would not look at.

    Args:
        context: of `langsteer profile`, its options parsed.

    Raises:
        typer.BadParameter: names the option, what it was given with, and what it belongs to.
    """
    for name, needs in _NEEDS.items():
        if not given(context, name):
            continue
        for need, values in needs.items():
            if context.params[need] not in values:
                raise typer.BadParameter(
                    f"{flag(context, name)} has no effect with {_with(context, need)}; it "
                    f"belongs to {_belongs(context, needs)}"
                )
        if name in _SUPPRESSING and context.params["suppress"] == "none":
            raise typer.BadParameter(f"{flag(context, name)} has no effect with --suppress none")


def _with(context: typer.Context, name: str) -> str:
    default = "" if given(context, name) else ", the default"
    return f"{flag(context, name)} {context.params[name]}{default}"


def _belongs(context: typer.Context, needs: Mapping[str, tuple[str, ...]]) -> str:
    return " ".join(f"{flag(context, n)} {' or '.join(v)}" for n, v in needs.items())
