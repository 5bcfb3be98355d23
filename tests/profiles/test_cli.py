"""The offline verbs, end to end on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiles.cli import app
from profiles.store import read
from tests.tiny_model import save_model

run = CliRunner().invoke


@pytest.fixture(scope="module")
def made(
    tiny_folder: Path, corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict]:  # type: ignore[type-arg]
    out = tmp_path_factory.mktemp("out") / "new" / "profiles"
    arguments = ["--corpus", str(corpus_folder), "--languages", "de,ja", "--out", str(out)]
    arguments += ["--method", "scored", "--no-calibrate", "--json"]
    result = run(app, ["profile", str(tiny_folder), *arguments])
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_profile_writes_what_it_says(made: tuple[Path, dict], tiny_folder: Path) -> None:  # type: ignore[type-arg]
    out, summary = made
    assert sorted(f.name for f in out.iterdir()) == ["de.safetensors", "ja.safetensors"]
    rows = {row["language"]: row for row in summary["languages"]}
    assert set(rows) == {"de", "en", "ja"}
    assert "file" not in rows["en"]
    profile = read(out / "de.safetensors")
    assert rows["de"]["version"] == profile.version
    assert profile.model.name == str(tiny_folder)
    assert set(profile.edits()) == {"target", "suppress"}
    # Letters that one language alone has: some neuron must tell it apart.
    assert rows["de"]["scores"]["max"] > 0.9
    assert sum(rows["de"]["edits"]["target"]["neurons_per_layer"]) == len(
        profile.target.neurons  # type: ignore[union-attr, arg-type]
    )
    assert {tuple(p["languages"]) for p in summary["overlap"]} == {
        ("de", "en"),
        ("de", "ja"),
        ("en", "ja"),
    }
    assert set(summary["seconds"]) == {"activations", "scores", "edits"}


def test_tables_on_screen(
    made: tuple[Path, dict],  # type: ignore[type-arg]
    tiny_folder: Path,
    corpus_folder: Path,
    tmp_path: Path,
) -> None:
    options = ["--corpus", str(corpus_folder), "--out", str(tmp_path), "--languages", "ja"]
    options += ["--steps", "4"]
    result = run(app, ["profile", str(tiny_folder), *options])
    assert result.exit_code == 0, result.output
    assert "Overlap" in result.stdout
    result = run(app, ["inspect", "profile", str(made[0] / "de.safetensors")])
    assert result.exit_code == 0
    assert "provenance.method" in result.stdout


def test_learned(tiny_folder: Path, corpus_folder: Path, tmp_path: Path) -> None:
    options = ["--corpus", str(corpus_folder), "--out", str(tmp_path), "--languages", "ja"]
    run(app, ["profile", str(tiny_folder), *options])
    start = read(tmp_path / "ja.safetensors")
    result = run(
        app, ["profile", str(tiny_folder), *options, "--method", "learned", "--steps", "4"]
    )
    assert result.exit_code == 0, result.output
    found = read(tmp_path / "ja.safetensors")
    assert found.provenance["method"] == "learned"
    assert found.target
    assert found.target.memories
    assert found.suppress
    assert found.suppress.memories
    assert not found.suppress.neurons
    assert not found.target.offsets
    shown = run(app, ["inspect", "profile", str(tmp_path / "ja.safetensors"), "--json"])
    assert json.loads(shown.stdout)["edits"]["target"]["memory_layers"] == [0, 1]
    assert found.version != start.version


def test_a_model_without_ffn_modules_is_told_before_any_work(
    corpus_folder: Path, tmp_path: Path
) -> None:
    size = {"hidden_size": 16, "ffn_dim": 24, "word_embed_proj_dim": 16, "num_hidden_layers": 1}
    model = save_model(tmp_path / "opt", "OPT", **size, num_attention_heads=2)
    options = ["--corpus", str(corpus_folder), "--languages", "ja", "--suppress", "none"]
    options += ["--out", str(tmp_path / "out"), "--steps", "2", "--no-calibrate"]
    refused = run(app, ["profile", str(model), *options])
    assert refused.exit_code == 1
    assert "--method learned-offset" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    made = run(app, ["profile", str(model), *options, "--method", "learned-offset"])
    assert made.exit_code == 0, made.output
    target = read(tmp_path / "out" / "ja.safetensors").target
    assert target
    assert target.offsets
    assert not target.memories


def test_inspect_json(made: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    result = run(app, ["inspect", "profile", str(made[0] / "de.safetensors"), "--json"])
    facts = json.loads(result.stdout)
    assert facts["language"] == "de"
    assert facts["created"].endswith("+00:00")
    assert facts["edits"]["target"]["neurons"] == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["profile", "/no/such/model"], "no model folder '/no/such/model'"),
        (["profile", "demo", "--corpus", "/no/such/text"], "no corpus at /no/such/text"),
        (["profile", "demo", "--languages", "de,xx"], "no text in xx"),
        (["profile", "demo", "--languages", "klingon!"], "BCP 47"),
        (["inspect", "profile", "/no/such/de.safetensors"], "cannot read /no/such"),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str) -> None:
    result = run(app, arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not result.stdout


def test_usage_errors() -> None:
    assert run(app, ["profile", "demo", "--method", "magic"]).exit_code == 2
    assert run(app, ["profile", "demo", "--precision", "int3"]).exit_code == 2
    assert run(app, ["profile"]).exit_code == 2


WITHOUT_EFFECT = [
    (["--neurons", "50"], "--neurons", "--method learned, the default", "--method scored"),
    (
        ["--neurons", "50", "--method", "learned"],
        "--neurons",
        "--method learned",
        "--method scored",
    ),
    (["--budget", "0.02", "--method", "learned"], "--budget", "--method learned", "neurons"),
    (["--selection", "l1"], "--selection", "--method learned", "--method neurons"),
    (["--suppress-selection", "l1", "--method", "offset"], "--suppress-selection", "offset", "lea"),
    (["--gain", "1", "--method", "neurons"], "--gain", "--method neurons", "--method offset"),
    (["--suppress-gain", "1"], "--suppress-gain", "--method learned", "--method offset"),
    (
        ["--steps", "9", "--method", "offset"],
        "--steps",
        "--method offset",
        "learned or learned-offset or neurons",
    ),
    (
        ["--seconds", "9", "--method", "scored"],
        "--seconds",
        "scored",
        "learned or learned-offset or neurons",
    ),
    (
        ["--work", "w", "--method", "scored"],
        "--work",
        "scored",
        "learned or learned-offset or neurons",
    ),
    (["--change", "set"], "--change", "--method learned", "--method scored"),
    (["--factor", "3"], "--factor", "--method learned", "--method scored --change scale"),
    (
        ["--factor", "3", "--method", "scored"],
        "--factor",
        "--change set, the default",
        "--method scored --change scale",
    ),
    (
        ["--suppress-budget", "0.1"],
        "--suppress-budget",
        "--method learned, the",
        "learned-offset or",
    ),
    (
        ["--suppress-budget", "0.1", "--suppress", "none", "--method", "neurons"],
        "--suppress-budget",
        "none",
        "",
    ),
    (
        ["--suppress-selection", "l1", "--suppress", "none", "--method", "neurons"],
        "--suppress-selection",
        "none",
        "",
    ),
]


@pytest.mark.parametrize(("given", "option", "met", "belongs"), WITHOUT_EFFECT)
def test_options_without_effect_are_usage_errors(
    given: list[str], option: str, met: str, belongs: str
) -> None:
    result = run(app, ["profile", "/no/such/model", *given])
    assert result.exit_code == 2
    message = " ".join(result.stderr.replace("│", " ").split())  # unboxed
    assert f"{option} has no effect with " in message
    head, _, tail = message.partition("; it belongs to")
    assert met in head
    assert belongs in tail


@pytest.mark.parametrize(
    "given",
    [
        ["--method", "scored", "--change", "scale", "--factor", "3", "--neurons", "8"],
        ["--method", "offset", "--gain", "1", "--suppress-gain", "1", "--no-calibrate"],
        ["--method", "neurons", "--budget", "0.1", "--steps", "9", "--seconds", "9"],
        ["--method", "neurons", "--selection", "hard-concrete", "--suppress-selection", "l1"],
        ["--suppress-budget", "0.1", "--method", "learned-offset", "--no-calibrate"],
        ["--no-calibrate", "--work", "w", "--score", "lape"],
    ],
)
def test_options_with_effect_pass(given: list[str]) -> None:
    result = run(app, ["profile", "/no/such/model", *given])
    assert result.exit_code == 1
    assert "no model folder" in result.stderr


def test_suppress_gain(tiny_folder: Path, corpus_folder: Path, tmp_path: Path) -> None:
    options = ["--corpus", str(corpus_folder), "--languages", "ja", "--no-calibrate"]
    options += ["--method", "offset"]
    sizes = []
    for gain in ("0.1", "0.3"):
        out = tmp_path / gain
        result = run(
            app,
            ["profile", str(tiny_folder), *options, "--suppress-gain", gain, "--out", str(out)],
        )
        assert result.exit_code == 0, result.output
        made = read(out / "ja.safetensors")
        assert made.provenance["parameters"]["suppress_gain"] == float(gain)
        sizes.append(abs(made.suppress.offsets.value).sum())  # type: ignore[union-attr]
    assert sizes[1] == pytest.approx(3 * sizes[0], rel=1e-3)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (["--budget", "0.1,x"], 2, "'0.1,x' is not a list of shares"),
        (["--budget", "0.1,2"], 2, "'0.1,2' is not a list of shares"),
        (["--budget", "0.1,0.2", "--no-calibrate"], 1, "several --budget takes calibration"),
    ],
)
def test_budgets(given: list[str], code: int, message: str) -> None:
    result = run(app, ["profile", "/no/such/model", "--method", "neurons", *given])
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_what_needs_the_model_here_does_not_go_with_vllm() -> None:
    start = ["profile", "/no/such/model", "--backend", "vllm", "--method"]
    for given in (["learned"], ["scored", "--calibrate"], ["scored", "--score", "attribution"]):
        result = run(app, [*start, *given])
        assert result.exit_code == 1
        assert "--no-calibrate" in result.stderr
    result = run(app, [*start, "scored"])
    assert "no model folder" in result.stderr


def test_an_unreachable_ray_cluster_is_known_before_the_model_is_read() -> None:
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    begun = time.monotonic()
    result = run(app, ["profile", "/no/such/model", "--ray-address", address])
    assert result.exit_code == 1
    assert f"no Ray cluster answers at {address}" in result.stderr
    assert time.monotonic() - begun < 15


def test_evaluate_refuses_another_models_profiles(
    made: tuple[Path, dict],  # type: ignore[type-arg]
    tiny_folder: Path,
    tmp_path: Path,
) -> None:
    import shutil

    other = Path(shutil.copytree(tiny_folder, tmp_path / "other"))
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    result = run(app, ["evaluate", str(other), "--profiles", str(made[0])])
    assert result.exit_code == 1
    assert "was made for another model" in result.stderr


def test_version() -> None:
    result = run(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("langsteer ")
