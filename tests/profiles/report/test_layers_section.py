"""The page's section on layers."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from profiles.cli import app
from profiles.errors import LangsteerError
from profiles.inside.layers.analyse import FILE, analyse
from profiles.inside.layers.measure import Options
from profiles.inside.layers.measured import Measured
from profiles.inside.layers.measures import MEASURES
from profiles.inside.layers.readings import HALVES, Readings
from profiles.report.layers_file import read_layers_file
from tests.profiles.report import synthetic
from tests.profiles.report.page_reader import PageReader


def _facts(layers: int = 18) -> dict[str, Any]:
    """Made up, as `langsteer layers` stores it; one name is not fit for a page."""
    rng = np.random.default_rng(0)
    groups = {"language": ("de", "en", "ja"), "pair": ("de/en", "de/ja", "en/ja"), "all": ("all",)}
    measures = []
    for half in HALVES:
        for name, kind in MEASURES.items():
            mine = groups[kind.groups]
            value = rng.random((len(mine), layers))
            draws = value + 0.01 * rng.standard_normal((30, *value.shape))
            measures.append(
                Measured(
                    name=name,
                    half=half,
                    groups=mine,
                    value=value,
                    draws=draws.astype(np.float32),
                )
            )
    readings = Readings(
        languages=groups["language"],
        lines=40,
        tokens=np.full((3, 40), 9),
        responses={half: np.zeros((120, layers, 4), np.float32) for half in HALVES},
        active=np.zeros((120, layers, 4), np.float16),
        shapes={},
        output_norms=np.ones(layers),
    )
    return {
        **analyse("made-up", readings, measures, Options(draws=30)),
        "model": asdict(synthetic.MODEL),
        "corpus": {"source": "<b>folder</b>\0", "sha256": "c" * 64},
    }


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profiles")
    synthetic.folder(folder, ("de", "ja"))
    return folder


def _page(profiles: Path, layers: Path, out: Path) -> Any:
    options = ["report", "--profiles", str(profiles), "--layers", str(layers), "--out", str(out)]
    return CliRunner().invoke(app, [*options, "--json"], catch_exceptions=False)


def test_the_page_shows_the_layers(profiles: Path, tmp_path: Path) -> None:
    facts = _facts()
    (tmp_path / FILE).write_text(json.dumps(facts), encoding="utf-8")
    out = tmp_path / "page.html"
    result = _page(profiles, tmp_path, out)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["layers"]["lines"] == 40
    text = out.read_text("utf-8")
    page = PageReader(text)
    assert "Language specificity by layer" in page.text
    for line in facts["summary"]:
        assert line in page.text
    assert "<b>folder</b>" in page.text  # as text
    assert "rank correlation on translations" in page.text
    assert "Most at layer: detectors: ap-share in" in text
    ids, links = page.values("id"), page.values("href")
    assert len(ids) == len({*ids})
    assert {link.removeprefix("#") for link in links} <= {*ids}


def test_without_it_the_page_has_no_such_section(profiles: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    options = ["report", "--profiles", str(profiles), "--out", str(out)]
    assert CliRunner().invoke(app, options).exit_code == 0
    assert "Language specificity by layer" not in out.read_text("utf-8")


def test_two_layers_are_shown_without_a_claim(profiles: Path, tmp_path: Path) -> None:
    facts = _facts(2)
    (tmp_path / FILE).write_text(json.dumps(facts), encoding="utf-8")
    result = _page(profiles, tmp_path, tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert "two layers have no middle" in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.update(format=99), "format '99'"),
        (lambda f: f["measures"][0].update(half="both"), "measures.0.half"),
        (lambda f: f["measures"][1]["layers"]["low"].pop(), "is not of 18 layers"),
        (lambda f: f["model"].update(weights="x" * 64), "the profiles are of made-up"),
        (lambda f: f.pop("summary"), "summary: Field required"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    facts = _facts()
    change(facts)
    file = tmp_path / FILE
    file.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(LangsteerError, match=message):
        read_layers_file(tmp_path, synthetic.MODEL)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LangsteerError, match=r"no layers in .*langsteer layers made-up --out"):
        read_layers_file(tmp_path, synthetic.MODEL)
    (tmp_path / FILE).write_text("{", encoding="utf-8")
    for given in (tmp_path, tmp_path / FILE):
        with pytest.raises(LangsteerError, match="damaged") as refused:
            read_layers_file(given, replace(synthetic.MODEL, name="x"))
        assert f"langsteer layers x --out {tmp_path}` anew" in str(refused.value)
