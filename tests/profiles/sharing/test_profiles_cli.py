"""`langsteer profiles`, as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from profiles import store
from profiles.cli import app
from profiles.models.fingerprint import fingerprint
from profiles.profile import Profile
from tests.profiles.sharing.hub_server import Hub

run = CliRunner().invoke
MakeFolder = Callable[..., Path]


def ask(*arguments: object, code: int = 0) -> str:
    result = run(app, ["profiles", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def facts(*arguments: object, code: int = 0) -> Any:
    result = run(app, ["profiles", *map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_list(folder: Path) -> None:
    text = ask("list", folder)
    assert "2 neurons + 1 offset + 2 memories: 95%, ×1.07, 3%" in text
    assert "Of tiny (weights bbbbbbbbbbbb)" in text
    found = facts("list", folder)
    assert [row["language"] for row in found["profiles"]] == ["de", "ja"]
    assert found["profiles"][0]["figures"]["target"]["success"] == 0.95


def test_list_names_bad_files(folder: Path) -> None:
    (folder / "ja.safetensors").write_bytes(b"junk")
    found = facts("list", folder)
    assert len(found["profiles"]) == 1
    assert "truncated or not a safetensors file" in found["bad"][0]
    assert "warning:" in ask("list", folder)


def test_the_ready_made_ones_are_listed_by_default() -> None:
    assert len(facts("list")["profiles"]) == 12


def test_show(folder: Path) -> None:
    text = ask("show", folder, "de")
    assert "provenance.method" in text
    assert "not signed." in text
    assert facts("show", folder / "de.safetensors")["recommended"]["target"]["success"] == 0.95
    assert "has de, ja: say which" in ask("show", folder, code=1)
    assert "no profile of fr" in ask("show", folder, "fr", code=1)


def test_metadata_does_not_reach_the_terminal(
    make_folder: MakeFolder, german: Profile, tmp_path: Path
) -> None:
    bad = {"method": "\x1b[2J[red]gone[/]", "corpus": {"source": "[/]"}, "learning": 7}
    made = make_folder("bad", replace(german, provenance=bad))
    other = make_folder("other", german)
    for text in (
        ask("show", made, "de"),
        ask("list", made),
        ask("diff", made, other),
        ask("pull", made, "--into", tmp_path / "into"),
    ):
        assert "\x1b[2J" not in text
    assert "[red]gone[/]" in ask("show", made, "de")


def test_verify(folder: Path, german: Profile) -> None:
    assert "good de.safetensors: de@" in ask("verify", folder)
    store.save(replace(german, model=replace(german.model, layers=3)), folder)
    found = facts("verify", folder)
    assert found["good"]
    (folder / "ja.safetensors").write_bytes(store.dumps(german))
    found = facts("verify", folder, folder / "de.safetensors", code=1)
    problems = [row["problem"] for row in found["profiles"]]
    assert [problem is None for problem in problems] == [True, False, True]
    assert "bad  ja.safetensors" in ask("verify", folder, code=1)
    assert "cannot read the folder" in ask("verify", folder / "no", code=1)


def test_verify_against_a_model(folder: Path, german: Profile, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    config = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2}
    sizes = {"hidden_size": 4, "intermediate_size": 8}
    (model / "config.json").write_text(json.dumps({**config, **sizes}))
    (model / "vocab.json").write_text("{}")
    save_file({"w": np.zeros(4, np.float32)}, model / "model.safetensors")
    (row, _) = facts("verify", folder, "--model", model, code=1)["profiles"]
    assert "was made for another model (tiny;" in row["problem"]
    store.save(replace(german, model=fingerprint(model)), model.parent)
    (row,) = facts("verify", tmp_path / "de.safetensors", "--model", model)["profiles"]
    assert "model" in row["checked"]


@pytest.mark.parametrize(
    "verb", ["list", "show", "verify", "diff", "pull", "push", "sign", "keygen"]
)
def test_every_verb_explains_itself(verb: str) -> None:
    assert "Usage" in ask(verb, "--help")


def test_sign_and_verify(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = facts("keygen", tmp_path / "k", "--no-password")
    assert "there already" in ask("keygen", tmp_path / "k", "--no-password", code=1)
    assert "is not signed" in ask("verify", folder, "--key", made["public"], code=1)
    signed = facts("sign", folder, "--secret-key", made["secret"])
    assert signed["key"] == made["key"]
    assert len(signed["signed"]) == 2
    found = facts("verify", folder, "--key", made["public"])
    assert found["profiles"][0]["checked"] == ["format", "content hash", "signature"]
    assert "cannot read the secret key" in ask(
        "sign", folder, "--secret-key", tmp_path / "no", code=1
    )
    monkeypatch.setenv("LANGSTEER_KEY_PASSWORD", "")
    assert "no public key" in ask("verify", folder, "--key", made["secret"], code=1)


def test_diff(folder: Path, make_folder: MakeFolder, stronger: Profile) -> None:
    other = make_folder("other", stronger)
    text = ask("diff", folder, other)
    assert "neurons: 0 added, 0 removed, 2 changed" in " ".join(text.split())
    assert f"ja: only in {folder}" in text
    found = facts("diff", folder / "de.safetensors", other / "de.safetensors")
    assert found["only_in"] == {}
    assert not found["profiles"][0]["same"]
    assert "the same edits, the same metadata" in ask("diff", folder, folder)
    # Two files may be of two languages.
    assert facts("diff", folder / "de.safetensors", folder / "ja.safetensors")["profiles"]
    lonely = folder.with_name("lonely")
    lonely.mkdir()
    (folder / "ja.safetensors").rename(lonely / "ja.safetensors")
    assert "no language in common" in ask("diff", other / "de.safetensors", lonely, code=1)


def test_pull(folder: Path, make_folder: MakeFolder, stronger: Profile, tmp_path: Path) -> None:
    into = tmp_path / "into"
    text = ask("pull", folder, "--into", into)
    assert "Pulled" in text
    assert "95%, ×1.07, 3%" in text
    assert facts("pull", folder, "--into", into)["profiles"][0]["outcome"] == "unchanged"
    new = make_folder("new", stronger)
    assert "--force replaces it" in ask("pull", new, "--into", into, code=1)
    assert "replaced" in ask("pull", new, "--into", into, "--force", "--dry-run")
    assert facts("verify", into)["good"]


def test_push_to_a_folder(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "site" / "tiny"
    options = ("--licence", "cc-by-4.0", "--no-plots")
    assert "Would push" in ask("push", folder, to, *options, "--dry-run")
    assert not to.exists()
    done = facts("push", folder, to, *options)
    assert sorted(f.name for f in to.iterdir()) == [
        "README.md",
        "SHA256SUMS",
        "de.safetensors",
        "ja.safetensors",
    ]
    assert (to / "README.md").read_text() == done["card"]
    assert "THIS-FOLDER" in done["card"]
    row = facts("verify", to)["profiles"][0]
    assert row["checked"][0] == "SHA-256"
    again = facts("push", folder, to, *options)
    assert {row["outcome"] for row in again["profiles"]} == {"unchanged"}


def test_push_says_what_would_be_told_of_this_machine(
    make_folder: MakeFolder, german: Profile, tmp_path: Path
) -> None:
    private = replace(
        german,
        model=replace(german.model, name="/home/me/model"),
        provenance={"corpus": {"source": "../texts"}},
    )
    notes = facts("push", make_folder("p", private), tmp_path / "to", "--licence", "mit")["notes"]
    assert any("/home/me/model" in note for note in notes)
    assert any("../texts" in note for note in notes)


def test_push_to_the_hub(hub: Hub, folder: Path, tmp_path: Path) -> None:
    options = ("--licence", "apache-2.0", "--no-plots")
    assert "--create makes it" in ask("push", folder, "hf://me/p", *options, code=1)
    done = facts("push", folder, "hf://me/p", *options, "--create", "--private")
    assert done["where"].startswith(hub.url)
    assert hub.repos["me/p"].private
    found = facts("list", "hf://me/p")
    assert found["revision"] == hub.repos["me/p"].head.sha
    facts("pull", "hf://me/p", "--into", tmp_path / "into", "--languages", "ja")
    assert [file.name for file in (tmp_path / "into").iterdir()] == ["ja.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("push", "ready", "https://x.org/p/", "--licence", "mit"), 1, "not written to"),
        (("push", "ready", "hf://a/b/de.safetensors", "--licence", "mit"), 1, "not a file"),
        (("push", "ready", "x", "--licence", "MIT License"), 1, "as the Hub writes it"),
        (("push", "ready", "x"), 2, "Missing option"),
        (("push", "ready", "x", "--licence", "mit", "--private"), 2, "goes with --create"),
        (("push", "ready", "x", "--licence", "mit", "--create"), 2, "Hub's repositories"),
        (("list", "ftp://x.org"), 1, "ftp:// is not supported"),
        (("sign", "hf://me/p", "--secret-key", "k"), 1, "pull it first"),
    ],
)
def test_what_cannot_be(
    arguments: tuple[str, ...],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in ask(*arguments, code=code)
