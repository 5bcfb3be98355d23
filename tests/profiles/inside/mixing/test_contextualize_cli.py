"""`langsteer contextualize` from beginning to end, and what the report makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from profiles.cli import app
from profiles.models.fingerprint import fingerprint
from profiles.models.model import load_model
from profiles.profile import Edit, NeuronEdit, OffsetEdit, Profile
from profiles.store import save
from tests.profiles.report.page_reader import PageReader

pytest.importorskip("matplotlib")
PIECES = ["abc defg abc", "hij klmn"]
OPTIONS = ["--languages", "en,de"]


def ask(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def said(result: Any) -> str:
    """Standard error without the frame and the line breaks of a usage error."""
    return " ".join(result.stderr.replace("│", " ").split())


@pytest.fixture(scope="module")
def profile(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Towards German, for the tiny model."""
    rng = np.random.default_rng(0)
    edit = Edit(
        neurons=NeuronEdit(
            layer=np.array([1], np.int32),
            neuron=np.array([3], np.int32),
            add=np.array([2], np.float32),
            scale=np.array([-1], np.float32),
        ),
        offsets=OffsetEdit(
            layer=np.array([0], np.int32), value=rng.standard_normal((1, 16), dtype=np.float32)
        ),
    )
    made = Profile(language="de", model=fingerprint(tiny_folder, "tiny"), target=edit)
    return save(made, tmp_path_factory.mktemp("profiles"))


@pytest.fixture(scope="module")
def written(tiny_folder: Path, profile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "new"
    command = ["contextualize", tiny_folder, *PIECES, *OPTIONS]
    result = ask(*command, "--profile", profile, "--strength", "2", "--layers", "1", "--out", out)
    assert result.exit_code == 0, result.output
    assert "parts sum to the model's own vectors within" in result.stdout.replace("\n", " ")
    assert "Steered by de@" in result.stdout
    return out


def test_the_account_on_standard_output(tiny_folder: Path) -> None:
    result = ask("contextualize", tiny_folder, *PIECES, *OPTIONS, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["scopes"] == ["attention", "pre_norm", "ff", "residual"]
    assert facts["dtype"] == "float32"
    assert facts["completeness"] < 1e-4
    assert facts["languages"][:2] == [None, "en"]
    assert facts["steered"] is None
    assert [row["layer"] for row in facts["layers"]] == [0, 1]
    row = facts["layers"][0]
    assert row["change"]["attention"] is None
    assert 0 < row["mixing_ratio"]["ff"] < 1
    total = sum(row["context_by_language"].values()) + row["first_token"]
    assert total == pytest.approx(1, abs=1e-3)
    assert len(row["pairs"]["ff"]["amplified"]) == 5


def test_files_hold_what_was_found(written: Path) -> None:
    assert sorted(file.name for file in written.iterdir()) == [
        "layers.png",
        "maps-layer-01.png",
        "maps.npz",
        "mixing.json",
    ]
    facts = json.loads((written / "mixing.json").read_text("utf-8"))
    maps = np.load(written / "maps.npz")
    tokens = len(facts["tokens"])
    assert maps["unsteered.norms"].shape == (2, 4, tokens, tokens)
    assert maps["scopes"].tolist() == facts["scopes"]
    first, second = facts["steered"]["disturbance"]
    # The first layer's offset is seen from its own FF's output on, the second's neuron from there.
    assert first["change"]["attention"] == first["change"]["pre_norm"] == 0
    assert first["edit_share"]["pre_norm"] == 0 < first["edit_share"]["ff"]
    assert first["change"]["ff"] == 0  # an offset adds to no token's part
    assert second["change"]["attention"] > 0
    assert {*second["languages"]} == {"en", "de"}
    for file in written.glob("*.png"):
        assert file.read_bytes().startswith(b"\x89PNG")
    share = np.array(facts["maps"][0]["scopes"]["ff"][-1])
    norms = maps["unsteered.norms"][1, 2, -1]
    np.testing.assert_allclose(share, norms / norms.sum(), rtol=1e-2)


def test_the_report_shows_it(written: Path, profile: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = ask("report", "--profiles", profile.parent, "--mixing", written, "--out", page)
    assert result.exit_code == 0, result.output
    read = PageReader(page.read_text("utf-8"))
    assert "mixing" in read.values("id")
    assert len(read.values("id")) == len({*read.values("id")})
    assert "Change of the map by the edit" in read.text
    assert "abc defg abc" in read.text
    assert not {"script", "link", "img"} & {*read.tags}


def test_a_damaged_account_is_one_line(written: Path, profile: Path, tmp_path: Path) -> None:
    facts = json.loads((written / "mixing.json").read_text("utf-8"))
    bad = tmp_path / "mixing.json"
    for change, says in (
        ({"format": 0}, "format '0', this langsteer reads 2"),
        ({"layers": "many"}, "is damaged: layers: "),
        ({"scopes": ["unheard of"]}, "is damaged"),
    ):
        bad.write_text(json.dumps(facts | change), encoding="utf-8")
        options = ["--profiles", profile.parent, "--mixing", bad, "--out", tmp_path / "p.html"]
        result = ask("report", *options)
        assert result.exit_code == 1
        assert says in result.stderr
    result = ask("report", "--profiles", profile.parent, "--mixing", tmp_path / "none")
    assert "no account of context mixing" in result.stderr


def test_hostile_tokens_are_text(written: Path, profile: Path, tmp_path: Path) -> None:
    facts = json.loads((written / "mixing.json").read_text("utf-8"))
    attack = "</p><script>alert(1)</script>"
    facts["tokens"][1] = facts["pieces"][0]["text"] = attack
    facts["layers"][0]["pairs"]["ff"]["amplified"][0]["tokens"] = [attack, attack]
    bad = tmp_path / "mixing.json"
    bad.write_text(json.dumps(facts), encoding="utf-8")
    page = tmp_path / "page.html"
    ask("report", "--profiles", profile.parent, "--mixing", bad, "--out", page)
    read = PageReader(page.read_text("utf-8"))
    assert "script" not in read.tags
    assert attack in read.text


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--profile", "xx"], 1, "--profile xx: there is no such file, and no"),
        (["--layers", "one"], 2, "is no list of layers"),
        (["--role", "both"], 2, "is not one of target, suppress"),
        (["--languages", "en"], 1, "1 languages for 2 texts"),
        (["--profile", "de", "--strength", "nan"], 2, "nan is not over 0 and at most 8"),
        (["--profile", "de", "--strength", "100"], 2, "100 is not over 0 and at most 8"),
        (["--profile", "de", "--strength", "-1"], 2, "-1 is not over 0 and at most 8"),
        (["--strength", "2"], 2, "there is none: --profile"),
        (["--role", "target"], 2, "there is none: --profile"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    tiny_folder: Path, options: list[str], code: int, says: str
) -> None:
    result = ask("contextualize", tiny_folder, *PIECES, *OPTIONS, *options)
    assert result.exit_code == code
    assert says in said(result)


def test_a_layer_that_is_not_there_is_refused_before_the_passes(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("profiles.inside.mixing.study.contextualize")
    result = ask("contextualize", tiny_folder, *PIECES, *OPTIONS, "--layers", "0,7")
    assert result.exit_code == 1
    assert "there is no layer 7: the model has 0 to 1" in said(result)


def test_a_short_text_is_warned_of(tiny_folder: Path, profile: Path, tmp_path: Path) -> None:
    result = ask("contextualize", tiny_folder, "a", "--languages", "en", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "warning: the text is 2 tokens long, so a map has 3 entries" in result.stderr
    assert "amplified" not in result.stdout
    page = tmp_path / "page.html"
    ask("report", "--profiles", profile.parent, "--mixing", tmp_path, "--out", page)
    assert "a map has 3 entries" in PageReader(page.read_text("utf-8")).text


def test_pictures_of_an_earlier_text_go(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "maps-layer-other.png").write_bytes(b"mine")
    for layer in ("0", "1"):
        command = ["contextualize", tiny_folder, *PIECES, *OPTIONS]
        result = ask(*command, "--layers", layer, "--out", tmp_path)
        assert result.exit_code == 0, result.output
    names = {file.name for file in tmp_path.glob("*.png")}
    assert names == {"layers.png", "maps-layer-01.png", "maps-layer-other.png"}


def test_an_account_of_another_model_is_refused(
    written: Path, profile: Path, tmp_path: Path
) -> None:
    facts = json.loads((written / "mixing.json").read_text("utf-8"))
    facts["model"]["weights"] = "c" * 64
    other = tmp_path / "mixing.json"
    other.write_text(json.dumps(facts), encoding="utf-8")
    result = ask("report", "--profiles", profile.parent, "--mixing", other)
    assert result.exit_code == 1
    assert "the profiles are of tiny (weights" in result.stderr
    assert "there cccccccccccc" in result.stderr


def test_letters_without_a_font_are_told(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "profiles.inside.mixing.labels._letters", lambda: frozenset(map(ord, "abc"))
    )
    result = ask("contextualize", tiny_folder, *PIECES, *OPTIONS, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "no font found has 15 of the letters, such as s: pictures have ·" in result.stderr


def test_profiles_of_another_model_or_role_are_refused(
    tiny_folder: Path, profile: Path, tmp_path: Path
) -> None:
    from profiles.store import read

    command = ["contextualize", tiny_folder, *PIECES, *OPTIONS, "--profile"]
    result = ask(*command, profile, "--role", "suppress")
    assert result.exit_code == 1
    assert "has no edit for the role suppress, only for target" in result.stderr
    mine = read(profile)
    other = replace(mine, model=replace(mine.model, weights="c" * 64))
    result = ask(*command, save(other, tmp_path))
    assert result.exit_code == 1
    assert "weights" in result.stderr


def test_bfloat16_within_its_own_tolerance(tiny_folder: Path) -> None:
    result = ask("contextualize", tiny_folder, "abc", "--precision", "bf16", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert 1e-5 < facts["completeness"] < 0.05


def test_bench_runs(
    tiny_folder: Path,
    corpus_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from profiles.bench import inside_mixing

    options = ["--model", str(tiny_folder), "--corpus", str(corpus_folder), "--rounds", "1"]
    monkeypatch.setattr("sys.argv", ["bench", *options, "--lengths", "4,8", "--json"])
    inside_mixing.main()
    result = json.loads(capsys.readouterr().out)
    assert [row["tokens"] for row in result["lengths"]] == [4, 8]
    assert result["longest"]["1"] > result["longest"]["0.5"] > 100


@pytest.mark.model
def test_the_demo_model_with_a_ready_profile(capsys: pytest.CaptureFixture[str]) -> None:
    from profiles.inside.mixing.contextualize import contextualize
    from profiles.models.resolve import resolve_model
    from profiles.ready.folder import profile_folder
    from profiles.store import read

    folder = resolve_model("demo", lambda _line: None)
    loaded = load_model(folder, "demo", "fp32")
    ids = loaded.tokenizer("The old woman opened the window.").input_ids
    plain = contextualize(loaded, ids)
    assert len(plain) == 18
    assert {maps.scopes for maps in plain} == {
        ("attention", "pre_norm", "ff", "post_norm", "residual")
    }
    assert max(max(maps.completeness.values()) for maps in plain) < 1e-5
    german = read(profile_folder(Path("ready")) / "de.safetensors", loaded.identity)
    steered = contextualize(loaded, ids, edit=german.target)
    assert max(max(maps.completeness.values()) for maps in steered) < 1e-5
    assert all((maps.edit[2] > 0).all() for maps in steered)
