"""The `langsteer` command: the offline verbs, and `serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from profiles.errors import LangsteerError
from steering.request import MAX_STRENGTH

# One string a paragraph: typer keeps the line breaks within one.
_SERVE_HELP = "\n\n".join(
    (
        "Serve MODEL with vLLM's OpenAI server, and steer the requests that ask for it.",
        (
            "MODEL comes first. Every option not listed here goes to `vllm serve` unchanged, e.g. "
            "--port 8000 --api-key KEY --max-model-len 4096; `vllm serve --help=all` lists those."
        ),
        (
            'A request asks with the body field "steering": {"target": "de", "suppress": ["zh"], '
            '"strength": 1.0, "phase": "all" or "decode", "profile": "name@version"}, or with the '
            "header X-Steering-Target: de. The answer's header X-Steering-Profile names what was "
            "applied. GET /v1/steering/profiles lists what is on offer, POST "
            "/v1/steering/profiles/reload reads the folder again."
        ),
    )
)

# Options that are not ours are vLLM's.
_PASSES_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def serve(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder, hub id, or `demo`.")],
    profiles: Annotated[
        Path,
        typer.Option(
            help="Folder of profile files of MODEL; `ready` for the demo model's own.",
            file_okay=False,
        ),
    ],
    column_headroom: Annotated[
        int,
        typer.Option(
            min=0, help="Spare edited neurons per layer, for profiles loaded while serving."
        ),
    ] = 64,
    memory_headroom: Annotated[
        int,
        typer.Option(
            min=0,
            help="Spare memories and offsets, for profiles loaded while serving: one or two each.",
        ),
    ] = 8,
    max_strength: Annotated[
        float,
        typer.Option(
            help=f"Largest strength a request may ask for, at most {MAX_STRENGTH:g}.",
            envvar="LANGSTEER_MAX_STRENGTH",
        ),
    ] = MAX_STRENGTH,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of the rules that every request must meet; see `langsteer policy`.",
            dir_okay=False,
            envvar="LANGSTEER_POLICY",
        ),
    ] = None,
    model_aliases: Annotated[
        bool,
        typer.Option(
            "--model-aliases",
            help="For clients that can only choose a model: also offer it as NAME:TAG for each "
            "language, e.g. `demo:de`.",
            envvar="LANGSTEER_MODEL_ALIASES",
        ),
    ] = False,
    access: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of who may use the server, and how much; see `langsteer access`.",
            dir_okay=False,
            envvar="LANGSTEER_ACCESS",
        ),
    ] = None,
    profile_key: Annotated[
        Path | None,
        typer.Option(
            help="Public key of minisign, or several: load only profiles signed with one of them; "
            "see `langsteer profiles`.",
            dir_okay=False,
            envvar="LANGSTEER_PROFILE_KEY",
        ),
    ] = None,
    monitor: Annotated[
        str,
        typer.Option(
            metavar="off|steered|all",
            help="Which answers' language is identified and counted: none, steered ones and those "
            "under a policy, or all.",
            envvar="LANGSTEER_MONITOR",
        ),
    ] = "steered",
    monitor_log: Annotated[
        Path | None,
        typer.Option(
            help="File to log a sample of them to, a JSON object a line.",
            dir_okay=False,
            envvar="LANGSTEER_MONITOR_LOG",
        ),
    ] = None,
    monitor_sample: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of them to log.", envvar="LANGSTEER_MONITOR_SAMPLE"),
    ] = 0.01,
    monitor_sample_miss: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share to log of those in another language than was wanted.",
            envvar="LANGSTEER_MONITOR_SAMPLE_MISS",
        ),
    ] = 1.0,
    monitor_text: Annotated[
        str,
        typer.Option(
            metavar="none|redacted|full",
            help="What of their text to log.",
            envvar="LANGSTEER_MONITOR_TEXT",
        ),
    ] = "none",
    request_log: Annotated[
        Path | None,
        typer.Option(
            help="File to log every request that may make text to, a JSON object a line.",
            dir_okay=False,
            envvar="LANGSTEER_REQUEST_LOG",
        ),
    ] = None,
    playground: Annotated[
        bool,
        typer.Option(
            help="Serve a page to try steering on, at /steering.",
            envvar="LANGSTEER_PLAYGROUND",
            # A table of its own: its second name would take the others' width away.
            rich_help_panel="Playground",
        ),
    ] = True,
) -> None:
    """Run the server; exits with 1 and one message where that cannot work."""
    from server.launch import launch

    try:
        launch(
            model,
            profiles,
            headroom=column_headroom,
            memory_headroom=memory_headroom,
            max_strength=max_strength,
            rest=context.args,
            policy=policy,
            model_aliases=model_aliases,
            access=access,
            profile_key=profile_key,
            monitor={
                "monitor": monitor,
                "monitor_log": str(monitor_log.absolute()) if monitor_log else None,
                "monitor_sample": str(monitor_sample),
                "monitor_sample_miss": str(monitor_sample_miss),
                "monitor_text": monitor_text,
            },
            request_log=request_log,
            playground=playground,
        )
    except LangsteerError as error:
        typer.echo(f"langsteer serve: {error}", err=True)
        raise typer.Exit(1) from error


def add_serve(app: typer.Typer) -> None:
    """Add `serve` to a typer application."""
    app.command(
        "serve",
        help=_SERVE_HELP,
        context_settings=_PASSES_ON,
    )(serve)


def add_bench(app: typer.Typer) -> None:
    """Add `bench` to a typer application."""
    from server import bench

    app.command("bench", help=bench.HELP, context_settings=_PASSES_ON)(bench.bench)


def add_capacity(app: typer.Typer) -> None:
    """Add `capacity` to a typer application."""
    from server import capacity_cli

    app.command("capacity", help=capacity_cli.HELP)(capacity_cli.capacity)


def add_policy(app: typer.Typer) -> None:
    """Add `policy` and what it can do to a typer application."""
    from server.policy_cli import policy

    app.add_typer(policy, name="policy")


def add_access(app: typer.Typer) -> None:
    """Add `access` and what it can do to a typer application."""
    from server.access_cli import access

    app.add_typer(access, name="access")


def main() -> None:
    """The console script."""
    from profiles.cli import app

    add_serve(app)
    add_bench(app)
    add_capacity(app)
    add_policy(app)
    add_access(app)
    app()
