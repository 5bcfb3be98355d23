"""Hand over to vLLM's own `serve`, in this process, once everything is known to be right."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

from profiles import versions
from profiles.models.demo_model import NAME as DEMO
from profiles.models.fingerprint import fingerprint
from profiles.models.resolve import resolve_model
from profiles.sharing.keys import PublicKeys
from server import options
from server.access_file import read_access
from server.folder import read_folder
from server.line_file import LineFile
from server.policy_file import read_policy
from server.settings import PREFIX, Settings
from steering.capacity import plan
from steering.engine.compat import TESTED

_GROUPS = (
    "vllm.general_plugins",
    "vllm.platform_plugins",
    "vllm.io_processor_plugins",
    "vllm.stat_logger_plugins",
    "vllm.endpoint_plugins",
)


def launch(
    model: str,
    profiles: Path,
    *,
    headroom: int,
    memory_headroom: int,
    max_strength: float,
    rest: Sequence[str],
    policy: Path | None = None,
    access: Path | None = None,
    profile_key: Path | None = None,
    monitor: Mapping[str, str | None] = MappingProxyType({}),
    request_log: Path | None = None,
    model_aliases: bool = False,
    playground: bool = True,
) -> None:
    """Check profiles and plugins, then run vLLM's server until it ends.

    Args:
        model: MODEL of the command line.
        profiles: folder of profile files, every one of which must be good; or "ready".
        headroom: spare edited columns a layer.
        memory_headroom: spare memories.
        max_strength: largest strength a request may ask for.
        rest: options for `vllm serve`, untouched.
        policy: file of rules that requests must meet, or None.
        access: file of who may use the server and how much, or None.
        profile_key: file of public keys, one of which must have signed each profile; or None.
        monitor: the monitor's settings by their names in `Settings`; None leaves one out.
        request_log: file that requests are logged to, or None.
        model_aliases: whether the model has a name for each language too.
        playground: whether there is a page to try steering on.

    Raises:
        LangsteerError: model, profiles, policy, access file, plugins, or options are not fit to
            serve; from the running server, that the engine could not be armed.
    """
    if model.startswith("-"):
        raise options.OptionError(
            f"MODEL comes first, found {model}: langsteer serve MODEL --profiles DIR [options]"
        )
    options.check_version(versions.vllm(), TESTED, os.environ)
    # Not resolved: behind a symbolic link may be another file when it is read again. A mounted
    # ConfigMap is such a link, and what it led to is gone after a change.
    settings = {
        f"{PREFIX}{name.upper()}": value
        for name, value in {
            "model": model,
            "profiles_dir": str(profiles.absolute()),
            "max_strength": str(max_strength),
            "policy": str(policy.absolute()) if policy else None,
            "model_aliases": str(model_aliases),
            "access": str(access.absolute()) if access else None,
            "profile_key": str(profile_key.absolute()) if profile_key else None,
            "playground": str(playground),
            **monitor,
            "request_log": str(request_log.absolute()) if request_log else None,
        }.items()
        if value is not None
    }
    # All of them before what takes long.
    chosen = Settings.load({**os.environ, **settings})
    for log in (chosen.request_log, chosen.monitor_log):
        if log is not None:
            LineFile(log).check()
    if chosen.policy is not None or chosen.access is not None:
        # It will have them read again, once the server listens to it; until then it ends nothing.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if policy is not None:
        read_policy(policy, max_strength)
    keyed = access is not None and read_access(access).keyed
    keys = PublicKeys.read(chosen.profile_key) if chosen.profile_key else None
    folder = resolve_model(model)
    profiles, files = read_folder(profiles, fingerprint(folder, model), keys)
    capacity = plan(
        (file.profile for file in files), headroom=headroom, memory_headroom=memory_headroom
    )
    if model == DEMO:
        # On a CPU vLLM would ask for nearly all memory there is; the demo needs little. GiB.
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    os.environ |= {**settings, f"{PREFIX}PROFILES_DIR": str(profiles.absolute())}
    os.environ |= options.environment(os.environ, _plugins(), keyed=keyed)
    _check_entry_points()
    served_name = None if Path(model).expanduser().is_dir() else model
    _serve(str(folder), served_name, capacity, rest, keyed=keyed)


def _serve(
    model: str,
    served_name: str | None,
    capacity: Mapping[str, Any],
    rest: Sequence[str],
    *,
    keyed: bool,
) -> None:
    # What vLLM's own main does for `serve`, between parsing and dispatch of which we step in.
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.logger import configure_logging_from_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    cli_env_setup()
    parser = FlexibleArgumentParser(prog="langsteer")
    command = ServeSubcommand()
    command.subparser_init(parser.add_subparsers(required=True, dest="subparser"))
    args = parser.parse_args(["serve", model, *rest])
    options.arm(args, model=model, served_name=served_name, capacity=capacity, keyed=keyed)
    configure_logging_from_args(args)
    command.validate(args)
    command.cmd(args)


def _plugins() -> dict[str, set[str]]:
    return {group: {point.name for point in entry_points(group=group)} for group in _GROUPS}


def _check_entry_points() -> None:
    """vLLM logs and skips a plugin that does not load: find out before it would.

    Raises:
        OptionError: an entry point is missing, there twice, or broken.
    """
    for group in ("vllm.general_plugins", "vllm.endpoint_plugins"):
        points = list(entry_points(group=group, name=options.KEY))
        if len({point.value for point in points}) != 1:
            raise options.OptionError(
                f"entry point {options.KEY!r} of {group} is there {len(points)} times, expected "
                "once; reinstall langsteer (`pip install --force-reinstall --no-deps langsteer`)"
            )
        try:
            loaded = points[0].load()
            if group == "vllm.endpoint_plugins":
                loaded()
        except Exception as error:
            raise options.OptionError(f"{points[0].value} does not load: {error}") from error
