"""`langsteer profiles`: profiles as files that are shared."""

from __future__ import annotations

import typer

from profiles.commands.profiles_pull import pull
from profiles.commands.profiles_push import push
from profiles.commands.profiles_read import diff, list_, show, verify
from profiles.commands.profiles_sign import keygen, sign

profiles = typer.Typer(
    no_args_is_help=True,
    help="List, show, verify, compare, fetch, publish and sign profiles. An ADDRESS is a folder, a "
    "file, hf://owner/repo@revision/path or https://host/path.",
)
profiles.command("list")(list_)
for verb in (show, verify, diff, pull, push, sign, keygen):
    profiles.command()(verb)
