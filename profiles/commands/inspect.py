"""`langsteer inspect`: profiles, and what is inside a model."""

from __future__ import annotations

import typer

from profiles.commands.inspect_memories import collect, layer, model, neuron
from profiles.commands.inspect_profile import profile

inspect = typer.Typer(
    no_args_is_help=True,
    help="Look into a profile, or into a model: its neurons, its layers, what they say.",
)
for verb in (profile, collect, neuron, layer, model):
    inspect.command()(verb)
