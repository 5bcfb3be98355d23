"""The playground on a real server: a browser asks for German, and gets it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles.ready.folder import READY
from tests.browser import chromium
from tests.e2e.running import serving

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def url(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server with the ready-made profiles; random ones steer into no language."""
    with serving(Path(READY), tmp_path_factory.mktemp("playground")) as running:
        yield f"{running.url}/steering"


def test_a_prompt_is_answered_in_german(url: str) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(url)
        page.locator("#form[aria-busy=false]").wait_for()
        page.get_by_label("Answer in").select_option("de")
        page.get_by_role("button", name="Run").click()
        for title in ("Unsteered", "Steered"):
            status = page.locator(f".column[aria-label={title}] .status")
            status.filter(has_text=re.compile("^Done. Its? ")).wait_for()
        steered = page.locator(".column[aria-label=Steered]")
        assert steered.locator(".language").text_content().startswith("German (de), ")
        assert steered.locator(".output").get_attribute("lang") == "de"
        assert steered.locator(".applied").text_content().startswith("de@")
        plain = page.locator(".column[aria-label=Unsteered] .applied")
        assert plain.text_content() == "none"
