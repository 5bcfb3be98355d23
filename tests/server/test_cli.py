from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from profiles.errors import LangsteerError
from server import launch, options
from server.cli import add_serve
from server.settings import Settings

CAPACITY = {"columns": [16], "memories": 0}


def parsed(**values: Any) -> Namespace:
    defaults = {
        "additional_config": {},
        "worker_extension_cls": "",
        "headless": False,
        "grpc": False,
        "grpc_port": None,
        "enable_dbo": False,
        "api_server_count": None,
        "data_parallel_size": 1,
        "served_model_name": None,
        "model_tag": "/m",
    }
    return Namespace(**{**defaults, **values})


def arm(args: Namespace) -> Namespace:
    options.arm(args, model="/m", served_name="demo", capacity=CAPACITY)
    return args


def test_arming_adds_and_keeps() -> None:
    args = arm(parsed(additional_config={"theirs": 1}))
    assert args.additional_config == {"theirs": 1, "langsteer": CAPACITY}
    assert args.worker_extension_cls == options.EXTENSION
    assert args.served_model_name == ["demo"]
    assert args.api_server_count == 1
    assert arm(parsed(served_model_name=["mine"])).served_model_name == ["mine"]


def test_one_api_server_for_any_number_of_engines_and_none_on_a_headless_node() -> None:
    assert arm(parsed(data_parallel_size=4)).api_server_count == 1
    headless = arm(parsed(data_parallel_size=4, headless=True))
    assert headless.api_server_count is None
    assert headless.additional_config["langsteer"] == CAPACITY


def test_an_untested_vllm_is_refused_unless_the_user_says_to_try() -> None:
    options.check_version("0.32.0", ["0.31.0", "0.32.0"], {})
    options.check_version("0.32.0+cpu", ["0.32.0"], {})
    options.check_version("0.33.1", ["0.32.0"], {options.UNTESTED: "1"})
    for off in ({}, {options.UNTESTED: "0"}):
        with pytest.raises(options.OptionError, match=r"0\.33\.1 is installed, tested is 0\.32\.0"):
            options.check_version("0.33.1", ["0.32.0"], off)


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ({"grpc": True}, "--grpc"),
        ({"grpc_port": 0}, "--grpc-port"),
        ({"enable_dbo": True}, "--enable-dbo"),
        ({"kv_transfer_config": object()}, "--kv-transfer-config"),
        ({"kv_offloading_size": 2.0}, "--kv-offloading-size"),
        ({"enable_hc_sp": True}, "--enable-hc-sp"),
        ({"kv_sharing_fast_prefill": True}, "--kv-sharing-fast-prefill"),
        ({"worker_extension_cls": "a.B"}, "--worker-extension-cls"),
        ({"api_server_count": 2}, "--api-server-count 2"),
        ({"enable_elastic_ep": True}, "--enable-elastic-ep"),
        ({"additional_config": {"langsteer": {}}}, "--additional-config"),
        ({"model_tag": "/other"}, "--model /other"),
    ],
)
def test_options_that_do_not_go_with_steering(values: dict[str, Any], flag: str) -> None:
    with pytest.raises(options.OptionError, match=flag):
        arm(parsed(**values))


def serve(folder: Path, *, model: str = "demo", max_strength: float = 8, **more: Any) -> None:
    sizes = {"headroom": 0, "memory_headroom": 0}
    launch.launch(model, folder, max_strength=max_strength, rest=[], **sizes, **more)


def test_an_option_in_the_models_place_is_called_one() -> None:
    with pytest.raises(options.OptionError, match="MODEL comes first, found --port"):
        serve(Path("x"), model="--port")


def test_a_bad_policy_is_found_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "check_version", lambda *_: None)
    file = tmp_path / "policy.yaml"
    file.write_text("version: 1\ndefaults: {suppress: [zh], strength: {max: 3}}")
    with pytest.raises(LangsteerError, match="--max-strength, 2"):
        serve(tmp_path, max_strength=2, policy=file)


@pytest.mark.parametrize("option", ["request_log", "monitor"])
def test_a_log_that_cannot_be_written_is_found_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(options, "check_version", lambda *_: None)
    file = tmp_path / "no" / "log"
    more = {"monitor": {"monitor_log": str(file)}, "request_log": file}
    with pytest.raises(LangsteerError, match=r"cannot write the log file .*no/log"):
        serve(tmp_path, max_strength=2, **{option: more[option]})


def test_a_bad_access_file_is_found_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "check_version", lambda *_: None)
    file = tmp_path / "access.yaml"
    file.write_text("keys: []")
    with pytest.raises(LangsteerError, match="keys, line 1: must not be empty"):
        serve(tmp_path, access=file)


def test_keys_have_one_list() -> None:
    args = {"model": "/m", "served_name": None, "capacity": CAPACITY}
    options.arm(parsed(api_key=["k"]), **args)
    options.arm(parsed(api_key=None), **args, keyed=True)
    with pytest.raises(options.OptionError, match="--api-key: the access file has keys"):
        options.arm(parsed(api_key=["k"]), **args, keyed=True)
    options.environment({"VLLM_API_KEY": "k"}, {})
    options.environment({"VLLM_API_KEY": ""}, {}, keyed=True)
    with pytest.raises(options.OptionError, match="VLLM_API_KEY is set: the access file has keys"):
        options.environment({"VLLM_API_KEY": "k"}, {}, keyed=True)


def test_all_conflicts_are_named_at_once() -> None:
    with pytest.raises(options.OptionError) as caught:
        arm(parsed(grpc=True, enable_dbo=True, api_server_count=4))
    assert len(str(caught.value).splitlines()) == 4


def test_naming_our_plugin_switches_no_other_off() -> None:
    plugins = {
        "vllm.general_plugins": {"langsteer", "lora"},
        "vllm.platform_plugins": {"npu"},
        "vllm.endpoint_plugins": {"langsteer", "foreign"},
    }
    assert options.environment({}, plugins)["VLLM_PLUGINS"] == "langsteer,lora,npu"
    chosen = options.environment({"VLLM_PLUGINS": "npu"}, plugins)
    assert chosen == {"VLLM_PLUGINS": "langsteer,npu"}
    assert options.environment({"VLLM_PLUGINS": ""}, plugins)["VLLM_PLUGINS"] == "langsteer"


def test_environment_that_does_not_go_with_steering() -> None:
    with pytest.raises(options.OptionError, match="VLLM_USE_RUST_FRONTEND"):
        options.environment({"VLLM_USE_RUST_FRONTEND": "1"}, {})


def test_the_model_runner_is_vllms_choice() -> None:
    chosen = options.environment({"VLLM_USE_V2_MODEL_RUNNER": "1"}, {})
    assert "VLLM_USE_V2_MODEL_RUNNER" not in chosen


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command("other")(lambda: None)
    add_serve(app)
    return app


def test_unknown_options_reach_vllm(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def record(model: str, profiles: Path, **more: Any) -> None:
        seen.update(more, model=model, profiles=profiles)

    monkeypatch.setattr(launch, "launch", record)
    own = ["--profiles", str(tmp_path), "--column-headroom", "8", "--memory-headroom", "3"]
    theirs = [
        "--port",
        "8001",
        "-tp",
        "2",
        "--additional-config.a",
        "1",
        "--no-enable-log-requests",
    ]
    theirs += ['--hf-overrides={"a": 1}', "-O3", "--api-key", "-k"]
    result = CliRunner().invoke(app, ["serve", "demo", *theirs[:2], *own, *theirs[2:]])
    assert result.exit_code == 0, result.output
    assert seen["rest"] == theirs
    assert (seen["model"], seen["headroom"], seen["max_strength"]) == ("demo", 8, 8.0)
    assert seen["memory_headroom"] == 3
    assert (seen["policy"], seen["access"], seen["model_aliases"]) == (None, None, False)
    result = CliRunner().invoke(
        app, ["serve", "demo", *own], env={"LANGSTEER_POLICY": str(tmp_path / "p.yaml")}
    )
    assert (result.exit_code, seen["policy"]) == (0, tmp_path / "p.yaml")
    for given, variable in (["--model-aliases"], None), ([], "1"), ([], "true"):
        environment = {"LANGSTEER_MODEL_ALIASES": variable}
        result = CliRunner().invoke(app, ["serve", "demo", *own, *given], env=environment)
        assert (result.exit_code, seen["model_aliases"], seen["rest"]) == (0, True, [])
    result = CliRunner().invoke(
        app, ["serve", "demo", *own], env={"LANGSTEER_ACCESS": str(tmp_path / "a.yaml")}
    )
    assert (result.exit_code, seen["access"]) == (0, tmp_path / "a.yaml")


def test_the_monitors_options_become_settings(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(launch, "launch", lambda *_, **more: seen.update(more))

    def settings(*options: str, **environment: str) -> Settings:
        arguments = ["serve", "demo", "--profiles", str(tmp_path), *options]
        result = CliRunner().invoke(app, arguments, env=environment)
        assert (result.exit_code, seen["rest"]) == (0, []), result.output
        given = {
            f"LANGSTEER_{name.upper()}": value
            for name, value in seen["monitor"].items()
            if value is not None
        }
        return Settings.load({"LANGSTEER_MODEL": "m", "LANGSTEER_PROFILES_DIR": "/p", **given})

    found = settings()
    assert (found.monitor, found.monitor_log, found.monitor_text) == ("steered", None, "none")
    assert (found.monitor_sample, found.monitor_sample_miss) == (0.01, 1.0)
    options = ["--monitor", "all", "--monitor-log", str(tmp_path / "a.jsonl")]
    found = settings(*options, "--monitor-sample", "0.5", LANGSTEER_MONITOR_TEXT="full")
    assert (found.monitor, found.monitor_log) == ("all", tmp_path / "a.jsonl")
    assert (found.monitor_sample, found.monitor_text) == (0.5, "full")


def test_the_playground_is_on_unless_it_is_switched_off(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(launch, "launch", lambda *_, **more: seen.append(more["playground"]))
    off = {"LANGSTEER_PLAYGROUND": "0"}
    for given, environment in (([], {}), (["--no-playground"], {}), ([], off)):
        arguments = ["serve", "demo", "--profiles", str(tmp_path), *given]
        assert CliRunner().invoke(app, arguments, env=environment).exit_code == 0
    arguments = ["serve", "demo", "--profiles", str(tmp_path), "--playground"]
    assert CliRunner().invoke(app, arguments, env=off).exit_code == 0
    assert seen == [True, False, False, True]
    least = {"LANGSTEER_MODEL": "m", "LANGSTEER_PROFILES_DIR": "/p"}
    assert Settings.load(least).playground
    assert not Settings.load({**least, "LANGSTEER_PLAYGROUND": "False"}).playground


def test_a_setting_that_means_nothing_is_found_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "check_version", lambda *_: None)
    with pytest.raises(LangsteerError, match=r"LANGSTEER_MONITOR: .*'off', 'steered' or 'all'"):
        serve(tmp_path, max_strength=2, monitor={"monitor": "some"})


def test_errors_are_one_message_and_exit_1(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise LangsteerError("2 bad files")

    monkeypatch.setattr(launch, "launch", fail)
    result = CliRunner().invoke(app, ["serve", "demo", "--profiles", str(tmp_path)])
    assert (result.exit_code, "2 bad files" in result.output) == (1, True)


def test_help_is_quick_and_explains_both() -> None:
    script = """
import sys, typer
from typer.testing import CliRunner
from server.cli import add_serve
app = typer.Typer()
app.command("other")(lambda: None)
add_serve(app)
print(CliRunner().invoke(app, ["serve", "--help"]).output)
print(sorted({"torch", "vllm", "transformers", "fastapi"} & set(sys.modules)))
"""
    root = Path(__file__).parents[2]
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert shown.rstrip().endswith("[]")
    for word in ("--profiles", "--column-headroom", "--memory-headroom", "--policy", "--access"):
        assert word in shown
    assert "vllm serve" in shown
    assert "X-Steering-Target" in shown


def test_settings_come_from_the_environment_and_name_what_is_wrong() -> None:
    good = Settings.load(
        {
            "LANGSTEER_MODEL": "m",
            "LANGSTEER_PROFILES_DIR": "/p",
            "LANGSTEER_MAX_STRENGTH": "2.5",
            "LANGSTEER_MODEL_ALIASES": "True",
        }
    )
    assert (good.profiles_dir, good.max_strength) == (Path("/p"), 2.5)
    assert good.model_aliases
    with pytest.raises(LangsteerError) as caught:
        Settings.load({"LANGSTEER_MAX_STRENGTH": "9", "LANGSTEER_MAX_BODY_MB": "x"})
    for name in ("PROFILES_DIR", "MAX_STRENGTH", "MAX_BODY_MB"):
        assert f"LANGSTEER_{name}:" in str(caught.value)
