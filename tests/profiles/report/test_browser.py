"""The whole page in a real browser: nothing is fetched, nothing scrolls sideways, links lead on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from profiles.cli import app
from profiles.models.fingerprint import fingerprint
from profiles.store import save
from tests.browser import chromium
from tests.profiles.report import synthetic
from tests.tiny_model import save_model

TAGS = ("de", "en", "ja")
SECTIONS = [
    *("summary", "neurons", "layers", "strength"),
    *("evaluation", "memories", "mixing", "provenance"),
]
DEAD = """[...document.querySelectorAll("a[href]")].map(a => a.getAttribute("href"))
    .filter(href => !href.startsWith("#") || !document.getElementById(href.slice(1)))"""
# What sticks out of the window, and is in no box that scrolls by itself.
WIDER = """[...document.querySelectorAll("main *")].filter(e => {
    if (e.closest(".scroll, .wide, svg, nav")) return false;
    return e.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map(e => e.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(browser: Any, corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every section; after `browser`, which skips where there is none."""
    base = tmp_path_factory.mktemp("page")
    model = save_model(
        base / "model",
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    identity = fingerprint(model, str(model))
    made = {tag: synthetic.profile(tag, n, identity) for n, tag in enumerate(TAGS)}
    (base / "profiles").mkdir()
    for profile in made.values():
        save(profile, base / "profiles")
    of = {name: getattr(identity, name) for name in ("name", "weights", "tokenizer")}
    evaluation = synthetic.evaluation(made, model=of)
    (base / "evaluation.json").write_text(json.dumps(evaluation), encoding="utf-8")
    corpus = ["--corpus", corpus_folder]
    out, store, page = base / "out", base / "memories", base / "page.html"
    for command in (
        ["inspect", "collect", model, *corpus, "--positions", "6", "--out", store],
        ["layers", model, *corpus, "--draws", "20", "--out", out],
        ["contextualize", model, "abc defg", "hij klmn", "--languages", "en,de", "--out", out],
        [
            *("report", model, "--profiles", base / "profiles", "--out", page),
            *("--evaluation", base / "evaluation.json", "--memories", store),
            *("--layers", out, "--mixing", out),
        ],
    ):
        result = CliRunner().invoke(app, [*map(str, command)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    return page


class Seen:
    """The page in a window, and what its console and network said."""

    def __init__(self, browser: Any, file: Path, width: int) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900})
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())


@pytest.mark.parametrize("width", [1200, 400])
def test_the_page_needs_nothing_and_fits(browser: Any, file: Path, width: int) -> None:
    seen = Seen(browser, file, width)
    page = seen.page
    sections = "[...document.querySelectorAll('main > section')]"
    found = page.evaluate(f"{sections}.map(s => s.getAttribute('aria-labelledby'))")
    assert found == SECTIONS
    assert page.evaluate(DEAD) == []
    # Closed parts are laid out when they are opened.
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(WIDER) == []
    text = page.evaluate("document.body.innerText")
    assert not {"nan", "NaN", "None", "undefined", "inf"} & {*text.split()}
    assert seen.said == []
    assert seen.asked == [file.as_uri()]
    seen.context.close()


def test_a_detector_leads_to_what_it_is_a_memory_of(browser: Any, file: Path) -> None:
    seen = Seen(browser, file, 1200)
    page = seen.page
    page.get_by_text("The best detectors", exact=True).click()
    link = page.locator("section[aria-labelledby=neurons] a[href^='#n-']").first
    at = link.get_attribute("href")
    link.click()
    row = page.locator(at)
    assert row.is_visible()
    # Not under the bar that stays at the top.
    bar = page.locator("nav").bounding_box()
    assert bar["y"] + bar["height"] <= row.bounding_box()["y"] + 1 < 900
    assert "detector of" in row.inner_text()
    seen.context.close()
