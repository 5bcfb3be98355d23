"""`langsteer report` from beginning to end."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from profiles.cli import app
from profiles.errors import LangsteerError
from profiles.profile import Profile
from profiles.report.write import write
from profiles.store import save
from tests.profiles.report import synthetic
from tests.profiles.report.page_reader import PageReader

FEW = ("de", "ja", "pt-BR")


def ask(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["report", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report")
    synthetic.folder(path, FEW)
    return path


@pytest.fixture
def evaluation(folder: Path, tmp_path: Path) -> Path:
    made = {tag: synthetic.profile(tag, n) for n, tag in enumerate(FEW)}
    file = tmp_path / "evaluation.json"
    file.write_text(json.dumps(synthetic.evaluation(made)), encoding="utf-8")
    return file


def test_one_page_that_needs_nothing_else(folder: Path, evaluation: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "page.html"
    result = ask("--profiles", folder, "--evaluation", evaluation.parent, "--out", out)
    assert (result.exit_code, result.stdout) == (0, f"Written to {out}\n"), result.output
    text = out.read_text("utf-8")
    page = PageReader(text)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & {*page.tags}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    ids, links = page.values("id"), page.values("href")
    assert len(ids) == len({*ids})
    assert {link.removeprefix("#") for link in links} <= {*ids}
    assert all(link.startswith("#") for link in links)
    assert "http:" not in text.replace("http://www.w3.org/", "")
    assert "https:" not in text
    assert any("default-src 'none'" in value for value in page.values("content"))
    # Every colour of a plot comes from the style sheet: both schemes get theirs.
    plots = text[text.index("<main") :]
    assert "#01010" not in plots
    assert "#0200" not in plots
    assert "fill: #" not in plots
    # Heat maps, a histogram a language, three plots a language and role, and success by role.
    assert page.tags["svg"] == 5 + 3 + 3 * 2 * 3 + 2
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(labels) == page.tags["svg"]
    assert page.tags["caption"] == page.tags["table"]
    assert page.tags["h1"] == 1
    for what in (
        "Portuguese",
        "Als sie das Fenster öffnete",
        "窓を開けたとき",
        "3 memories",
        "langsteer report",
    ):
        assert what in page.text
    assert not [*out.parent.glob(".*")]


def test_data_of_the_page(folder: Path, evaluation: Path) -> None:
    result = ask("--profiles", folder, "--evaluation", evaluation, "--json")
    data = json.loads(result.stdout)
    assert data["languages"] == [*FEW]
    assert data["warnings"] == []
    row = data["profiles"][0]
    assert row["recommended"]["target"] == row["calibrations"]["target"]["points"][3]
    assert row["edits"]["target"]["neurons_share"] == 90 / (18 * 64)
    assert [sum(v) for v in data["neurons"]["target"]["neurons"].values()] == [90, 90, 90]
    assert sum(data["neurons"]["listed"]["ja"]) == 20
    norms = data["neurons"]["target"]["memory_norms"]["ja"]
    assert norms[:5] == pytest.approx(
        [0, *[2 * math.sqrt(synthetic.MODEL.hidden_size)] * 3, 0], 1e-3
    )
    assert not data["neurons"]["suppress"]["memory_norms"]
    mine = {tag: synthetic.profile(tag, n) for n, tag in enumerate(FEW)}
    sets = []
    for tag in ("de", "ja"):
        edit = mine[tag].target
        assert edit
        assert edit.neurons
        sets.append({*zip(edit.neurons.layer.tolist(), edit.neurons.neuron.tolist(), strict=True)})
    shared, union = sets[0] & sets[1], sets[0] | sets[1]
    first = data["overlap"]["target"][0]
    assert (first["languages"], first["shared"]) == (["de", "ja"], len(shared))
    assert first["jaccard"] == round(len(shared) / len(union), 4)
    assert not Path("report-made-up.html").exists()


def test_profiles_without_any_metadata(german: Profile, tmp_path: Path) -> None:
    save(replace(german, provenance={}), tmp_path)
    result = ask("--profiles", tmp_path, "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    page = PageReader((tmp_path / "page.html").read_text("utf-8"))
    for what in ("not calibrated", "No profile holds a calibration", "None was given", "Takes two"):
        assert what in page.text


def test_damaged_metadata_is_named_and_left_out(tmp_path: Path) -> None:
    whole = synthetic.profile("de", 0).provenance
    bad = json.loads(json.dumps(whole))
    bad["learning"]["target"]["calibration"]["recommended"] = 99
    bad["learning"]["suppress"]["calibration"]["points"][0]["perplexity"] = -1
    bad["learning"]["target"]["offset"]["curve"] = [[0, "high", None]]
    bad["scores"]["histogram"]["counts"] = [1, 2]
    bad |= {"language_neurons": "many", "versions": 3}
    save(replace(synthetic.profile("de", 0), provenance=bad), tmp_path)
    result = ask("--profiles", tmp_path, "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    named = [line.split("field ")[1].split()[0] for line in result.stderr.splitlines()]
    assert sorted(named) == [
        "language_neurons",
        "learning.suppress.calibration",
        "learning.target.calibration",
        "learning.target.offset.curve",
        "scores",
        "versions",
    ]
    PageReader((tmp_path / "page.html").read_text("utf-8"))


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</style></svg></title><svg onload=alert(1)>",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }}{% raw %}",
    "\u202eright to left\u0000\u0007",
    "\ud800 half a pair",
    "$\\frac{",
    "文字化け",
]


def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    every = " ".join(HOSTILE)
    harmless = synthetic.profile("de", 0)
    provenance = json.loads(json.dumps(harmless.provenance))
    provenance["learning"]["target"][every] = provenance["learning"]["target"]["offset"]
    for point in provenance["learning"]["target"]["calibration"]["points"]:
        point["by_context"] = {every: 0.5}
    provenance["scores"]["name"] = every
    provenance |= {"method": every, "corpus": {every: every}, "parameters": {every: [every]}}
    profile = replace(harmless, model=replace(harmless.model, name=every), provenance=provenance)
    save(profile, tmp_path)
    found = synthetic.evaluation({"de": profile})
    for cell in found["cells"] + found["averages"]:
        cell |= {"condition": every + cell["condition"], "method": every + cell["method"]}
        cell["samples"] = [{"prompt": every, "text": every}]
        cell["languages_found"] = {every: 3}
    for row in found["damage"]:
        row["ratios"] = {every: row["ratios"]["de"]}
        row["language"] = every
    found["text"]["source"] = found["server"] = every
    found["skipped"] = [{every: every, "reason": every}]
    (tmp_path / "evaluation.json").write_text(json.dumps(found), encoding="utf-8")
    out = tmp_path / "page.html"
    result = ask("--profiles", tmp_path, "--evaluation", tmp_path, "--out", out)
    assert result.exit_code == 0, result.output
    text = out.read_bytes().decode("utf-8")
    assert "\0" not in text
    page = PageReader(text)
    assert not {"script", "img"} & {*page.tags}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "{{ 7 * 7 }}" in page.text
    # Text of unknown direction stands in elements of its own.
    assert page.values("dir").count("auto") >= len(found["cells"])


def _write(folder: Path, **changes: Any) -> Path:
    made = {tag: synthetic.profile(tag, n) for n, tag in enumerate(FEW)}
    file = folder / "evaluation.json"
    file.write_text(json.dumps({**synthetic.evaluation(made), **changes}), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 7}, "format '7', this langsteer reads 1"),
        ({"cells": [{"role": "target"}]}, "is damaged: cells.0.condition"),
        ({"model": {"name": "other", "weights": "e" * 64}}, "evaluates other, the profiles are of"),
        ({"damage": [{"role": "target"}]}, "is damaged: damage.0.method"),
    ],
)
def test_evaluations_that_do_not_do(
    folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    file = _write(tmp_path, **changes)
    result = ask("--profiles", folder, "--evaluation", file, "--out", tmp_path / "page.html")
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("text", ["", "{", '{"format": 1', "[1]", '{"format": NaN}', "[" * 10**5])
def test_damaged_evaluation_file(folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "evaluation.json").write_text(text)
    result = ask("--profiles", folder, "--evaluation", tmp_path, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "evaluation.json" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_evaluation_of_other_versions_is_shown_with_a_warning(
    folder: Path, tmp_path: Path
) -> None:
    file = _write(tmp_path, profiles={"de": "0" * 12, "it": "1" * 12})
    data = json.loads(ask("--profiles", folder, "--evaluation", file, "--json").stdout)
    first, missing, gone = data["warnings"]
    assert "other versions of de (judged 000000000000" in first
    assert "does not cover ja, pt-BR" in missing
    assert "covers it too" in gone


def test_folders_that_do_not_do(folder: Path, tmp_path: Path, tiny_folder: Path) -> None:
    def message(*arguments: str | Path) -> str:
        result = ask("--profiles", *arguments)
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        return str(result.stderr)

    assert "no profile folder" in message(tmp_path / "none")
    assert "holds no profile files" in message(tmp_path)
    assert "no evaluation" in message(folder, "--evaluation", tmp_path / "none")
    assert "was made for another model" in message(folder, str(tiny_folder))
    other = replace(synthetic.MODEL, name="another", weights="f" * 64)
    save(synthetic.profile("de", 0), tmp_path)
    save(synthetic.profile("ja", 1, other), tmp_path)
    mixed = message(tmp_path)
    assert "de of made-up, ja of another: weights ffffffffffff" in mixed
    (tmp_path / "ja.safetensors").write_bytes(b"no")
    assert "truncated" in message(tmp_path)


def test_a_page_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.html"
    write(page, "old")

    def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(LangsteerError, match=r"page\.html: No space left"):
            write(page, "new")
    assert [f.name for f in tmp_path.iterdir()] == ["page.html"]
    assert page.read_text() == "old"
    write(page, "new")
    assert page.read_text() == "new"
