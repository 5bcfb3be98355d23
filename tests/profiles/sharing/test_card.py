from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from profiles import store
from profiles.errors import SharingError
from profiles.profile import Profile
from profiles.sharing.artefact import Artefact
from profiles.sharing.card import MARK, Card, Terms
from profiles.sharing.markdown import plain

NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[log in](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "a | b | c",
    "line\n\n# Heading\n\n---\n",
    "`code` *strong* _em_ ~~gone~~",
    "https://evil.example and www.evil.example",
    "<!-- hidden",
    "\u202egnp.exe\u200b\x1b[2J",
    "$$x$$ @someone &lt;b&gt;",
    "|\n| --- |\n",
]


def artefact(profile: Profile, **more: Any) -> Artefact:
    data = store.dumps(profile)
    return Artefact(profile=profile, data=data, created="2026-11-29T02:50:17+00:00", **more)


def card(*profiles: Profile, **more: Any) -> str:
    terms = more.pop("terms", Terms(licence="apache-2.0"))
    return Card(artefacts=[artefact(p) for p in profiles], terms=terms, **more).render()


@pytest.mark.parametrize("text", NASTY)
def test_text_stays_text(text: str) -> None:
    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(f"| a | b |\n| --- | --- |\n| {plain(text)} | last |\n")
    )
    for tag in ("<script", "<img", "<a ", "<h1", "<em", "<strong", "<code", "<!--", "<s>", "<b>"):
        assert tag not in html
    assert html.count("<tr>") == 2
    assert html.count("<td>") == 2
    assert "last</td>" in html


def test_harmless_text_is_readable() -> None:
    assert plain("google/gemma-3-270m, 260 sentences (1.5)") == (
        "google/gemma-3-270m, 260 sentences (1.5)"
    )
    assert plain("x" * 300) == "x" * 199 + "…"


def test_figures_stand_together(german: Profile) -> None:
    page = card(german)
    assert "| de (German) | 2 neurons + 1 offset + 2 memories | 95 | ×1.07 | 3 | 24 | all |" in page
    assert "| de (German) | 1 offset + 2 memories | not calibrated | | | | |" in page
    assert german.version in page
    assert "b" * 64 in page  # the weights' fingerprint
    assert MARK in page
    assert "Not signed." in page


def test_metadata_of_others_does_not_get_out(german: Profile) -> None:
    for text in NASTY:
        bad = replace(
            german,
            model=replace(german.model, name=text, architecture=text),
            provenance={
                "method": text,
                "corpus": {"source": text, "sentences": text},
                "versions": {"langsteer": text},
                "learning": {"target": {"calibration": {"points": [{"success": text}]}}},
            },
        )
        html = (
            MarkdownIt("commonmark", {"html": True})
            .enable("table")
            .render(card(bad).partition(MARK)[2])
        )
        for tag in ("<script", "<img", "<a ", 'evil.example"', "<strong", "onerror=alert(1)>"):
            assert tag not in html, text
        assert html.count("<h1") == 1
        front = yaml.safe_load(card(bad).split("---\n")[1])
        assert set(front) == {"library_name", "license", "language", "tags"}


def test_damaged_metadata_is_left_out(german: Profile) -> None:
    for provenance in ({"learning": "x"}, {"learning": {"target": 3}}, {"corpus": []}, {}):
        assert "not calibrated" in card(replace(german, provenance=provenance))


def test_signatures_and_terms(german: Profile) -> None:
    signed = artefact(german, signature=b"x")
    terms = Terms(licence="other", link="https://x.org/licence")
    page = Card(artefacts=[signed], terms=terms, keys=["E7620F1842B4E81F"]).render()
    assert "Signed with minisign: de, by key E7620F1842B4E81F." in page
    assert "[other](https://x.org/licence)" in page
    assert yaml.safe_load(page.split("---\n")[1])["license_link"] == "https://x.org/licence"


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"licence": "Apache License\n"}, "as the Hub writes it"),
        ({"licence": "other"}, "needs --licence-link"),
        ({"licence": "mit", "link": "javascript:alert(1)"}, "https:// address"),
        ({"licence": "mit", "base_model": "gemma"}, "expected owner/name"),
    ],
)
def test_terms_that_cannot_be(terms: dict[str, str], words: str) -> None:
    with pytest.raises(SharingError, match=words):
        Terms(**terms)


def test_an_evaluation_is_shown(german: Profile) -> None:
    share = {"value": 0.97, "low": 0.9, "high": 1.0, "count": 96}
    evaluation = {
        "text": {"source": "passages"},
        "averages": [
            {
                "role": "target",
                "condition": "paragraph",
                "method": "steered",
                "strength": 1.0,
                "success": share,
                "denied": None,
                "repetition": {"value": 0.02, "low": None, "high": None, "count": None},
                "languages": ["de"],
            }
        ],
    }
    page = card(german, evaluation=evaluation)
    assert "| paragraph | steered × 1 | 97 [90, 100] | 2 | 1 |" in page
