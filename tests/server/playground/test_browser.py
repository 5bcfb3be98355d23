"""The playground in a real browser, against a server that is made up."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import chromium
from tests.server.playground.fake_openai import PLAIN, STEERED, FakeOpenAI, running

AWKWARD = "It's \"so\" $HOME `id` \\n !\nzweite Zeile: 今天下午 👋🏽 \u2028 '''end\\"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def fake(browser: Any) -> Iterator[FakeOpenAI]:
    with running() as fake:
        yield fake


class Page:
    """The page, as somebody at the keyboard meets it; any error in its console fails the test."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._log)

    def _log(self, message: Any) -> None:
        # Answers that are errors are logged by the browser itself.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.page.locator("#form[aria-busy=false]").wait_for()

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)

    def value(self, label: str) -> str:
        return str(self.page.get_by_label(label, exact=True).input_value())

    def column(self, title: str) -> Any:
        return self.page.locator(f".column[aria-label={title}]")

    def part(self, title: str, name: str) -> str:
        return str(self.column(title).locator(f".{name}").text_content())

    def finished(self, *titles: str) -> None:
        for title in titles or ("Unsteered", "Steered"):
            status = self.column(title).locator(".status")
            said = status.filter(has_text=re.compile("It is in|told|identified|Failed|empty"))
            said.wait_for()

    def snippet(self, name: str) -> str:
        self.page.get_by_role("tab", name=name).click()
        return str(self.page.locator(f"#panel-{name.lower()} pre").text_content())


@pytest.fixture
def page(browser: Any, fake: FakeOpenAI) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = Page(context.new_page())
    page.open(f"{fake.url}/steering")
    yield page
    context.close()
    assert page.errors == []


def unstreamed(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if not key.startswith("stream")}


def test_by_keyboard_alone(page: Page, fake: FakeOpenAI) -> None:
    keys = page.page.keyboard
    keys.press("Tab")
    keys.press("Control+a")
    keys.type("Once upon a time")
    while page.page.evaluate("document.activeElement.id") != "target":
        keys.press("Tab")
    keys.press("G")  # the first language in G
    keys.press("Control+Enter")
    page.finished()
    assert page.part("Unsteered", "output") == PLAIN * 3
    assert page.part("Steered", "output") == STEERED["de"] * 3
    assert re.fullmatch(r"German \(de\), \d+ %: as asked", page.part("Steered", "language"))
    assert page.part("Unsteered", "language").startswith("English (en), ")
    assert page.part("Steered", "applied").startswith("de@1a2b3c4d5e6f; ")
    assert page.part("Unsteered", "applied") == "none"
    assert re.match(r"\d+ tokens in \d", page.part("Steered", "speed"))
    assert page.column("Steered").locator(".output").get_attribute("lang") == "de"
    plain, steered = sorted((body for _, _, body in fake.asked), key=lambda b: "steering" in b)
    assert steered.pop("steering") == {"target": "de", "strength": 1, "phase": "all"}
    assert plain == steered
    assert plain["prompt"] == "Once upon a time"


def test_every_control_has_a_name_and_shows_the_focus(page: Page) -> None:
    seen = set()
    for _ in range(60):
        page.page.keyboard.press("Tab")
        name, outline = page.page.evaluate(
            """() => {
              const it = document.activeElement;
              const name = it.labels?.[0]?.textContent || it.getAttribute("aria-label")
                || it.textContent;
              return [name.trim(), getComputedStyle(it).outlineStyle];
            }"""
        )
        if page.page.evaluate("document.activeElement === document.body"):
            break
        assert name
        assert outline == "solid", name
        seen.add(name)
    assert {"Prompt", "Answer in", "Strength", "API key", "Run", "curl"} <= seen


def test_what_a_model_writes_stays_text(page: Page, fake: FakeOpenAI) -> None:
    fake.answer = "<img src=x onerror=\"document.title='gone'\"><script>alert(1)</script> & so on"
    page.page.get_by_role("button", name="Run").click()
    page.finished()
    assert page.part("Steered", "output") == fake.answer
    assert page.page.locator("img, .output *").count() == 0
    assert page.page.title() == "Steering playground"


def test_errors_are_shown_beside_the_column_they_belong_to(page: Page, fake: FakeOpenAI) -> None:
    page.open(f"{fake.url}/steering#target=fr&prompt=Hello")
    page.page.reload()
    page.page.get_by_role("button", name="Run").click()
    page.finished()
    assert "available are ['de', 'ar', 'zh'] (HTTP 400)" in page.part("Steered", "error")
    assert page.column("Unsteered").locator(".error").is_hidden()
    fake.breaks = {"error": {"message": "the engine died"}}
    page.page.get_by_label("Answer in").select_option("de")
    page.page.get_by_role("button", name="Run").click()
    page.finished()
    assert page.part("Steered", "error") == "the engine died"
    assert page.part("Steered", "output") == STEERED["de"] * 3


def test_a_server_that_is_gone(page: Page, fake: FakeOpenAI) -> None:
    page.page.route("**/v1/completions", lambda route: route.abort())
    page.page.get_by_role("button", name="Run").click()
    page.finished()
    assert "cannot be reached" in page.part("Steered", "error")
    assert page.page.get_by_role("button", name="Run").is_enabled()


@pytest.mark.parametrize("how", ["Escape", "button"])
def test_stopping(page: Page, fake: FakeOpenAI, how: str) -> None:
    fake.pause = 0.2
    page.page.get_by_role("button", name="Run").focus()
    page.page.keyboard.press("Enter")
    page.column("Steered").locator(".output", has_text=STEERED["ar"][:14]).wait_for()
    assert page.page.evaluate("document.activeElement.id") == "stop"
    if how == "button":
        page.page.keyboard.press("Enter")
    else:
        page.page.keyboard.press("Escape")
    page.finished()
    assert page.part("Steered", "status").startswith("Stopped.")
    assert page.page.evaluate("document.activeElement.id") == "run"
    deadline = time.monotonic() + 10
    while fake.left < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_key_is_asked_for_and_kept_in_the_tab_only(page: Page, fake: FakeOpenAI) -> None:
    fake.key = "se-cret"
    page.page.reload()
    page.page.locator("#notice", has_text="wants an API key").wait_for()
    page.page.get_by_role("button", name="Run").click()
    page.finished("Unsteered")
    assert "wants an API key" in page.part("Unsteered", "error")
    page.fill("API key", "se-cret")
    page.page.keyboard.press("Tab")
    page.page.locator("#target option[value=de]").wait_for(state="attached")
    page.page.locator("#notice").wait_for(state="hidden")
    page.page.get_by_role("button", name="Run").click()
    page.finished()
    assert {key for _, key, _ in fake.asked} == {"Bearer se-cret"}
    for name in ("curl", "Python", "Link"):
        assert "se-cret" not in page.snippet(name)
    assert page.page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    page.page.reload()
    page.page.locator("#target option[value=de]").wait_for(state="attached")
    assert page.value("API key") == "se-cret"


def test_no_profiles_no_chat(page: Page, fake: FakeOpenAI) -> None:
    fake.languages, fake.chats = [], False
    page.page.reload()
    page.page.get_by_text("No profile is loaded").wait_for()
    page.page.get_by_text("This model does not chat: no chat template").wait_for()
    assert page.page.get_by_label("a chat answer").is_disabled()
    page.page.get_by_role("button", name="Run").click()
    page.finished("Unsteered")
    assert len(fake.asked) == 1
    assert page.part("Steered", "status").startswith("Choose a language")


def test_right_to_left(page: Page) -> None:
    page.page.get_by_label("Answer in").select_option("ar")
    page.page.get_by_role("button", name="Run").click()
    page.finished()
    output = page.column("Steered").locator(".output")
    assert output.get_attribute("lang") == "ar"
    assert output.evaluate("it => getComputedStyle(it).direction") == "rtl"


def set_all(page: Page) -> None:
    page.fill("Prompt", AWKWARD)
    page.page.get_by_label("Answer in").select_option("de")
    page.fill("Strength", "1.35")
    page.page.get_by_label("Chinese (zh)").check()
    page.page.get_by_label("the answer only").check()
    page.page.get_by_label("a chat answer").check()
    page.fill("Max tokens", "33")
    page.fill("Temperature", "0.25")
    page.fill("Seed", "")
    page.page.get_by_label("Model").select_option("other")


def test_a_link_brings_every_setting_back(page: Page, fake: FakeOpenAI) -> None:
    set_all(page)
    link = page.snippet("Link")
    page.page.goto("about:blank")
    page.open(link)
    assert page.value("Prompt") == AWKWARD
    assert page.snippet("Link") == link
    page.page.get_by_role("button", name="Run").click()
    page.finished()
    path, _, body = next(asked for asked in fake.asked if "steering" in asked[2])
    assert path == "/v1/chat/completions"
    assert unstreamed(body) == {
        "model": "other",
        "messages": [{"role": "user", "content": AWKWARD}],
        "max_tokens": 33,
        "temperature": 0.25,
        "steering": {"target": "de", "suppress": ["zh"], "strength": 1.35, "phase": "decode"},
    }


def test_models_are_offered_and_their_aliases_are_not(page: Page, fake: FakeOpenAI) -> None:
    """An alias steers: its unsteered column would be steered too."""
    options = page.page.get_by_label("Model").locator("option")
    assert options.all_inner_texts() == ["tiny", "other", "adapter"]


def test_a_link_with_nonsense_is_no_more_than_a_form_to_mend(page: Page, fake: FakeOpenAI) -> None:
    page.page.goto("about:blank")
    page.open(f"{fake.url}/steering#mode=sing&strength=99&temperature=x&seed=1.5e&max_tokens=-1")
    page.page.get_by_role("button", name="Run").click()
    assert page.page.evaluate("document.activeElement.matches(':invalid')")
    assert fake.asked == []


@pytest.mark.parametrize("mode", ["a completion", "a chat answer"])
@pytest.mark.parametrize("key", ["", "se-cret"])
def test_what_is_copied_asks_for_the_same(
    page: Page, fake: FakeOpenAI, mode: str, key: str, tmp_path: Path
) -> None:
    set_all(page)
    page.page.get_by_label(mode).check()
    if key:
        fake.key = key
        page.fill("API key", key)
        page.page.keyboard.press("Tab")
        page.page.locator("#notice").wait_for(state="hidden")
    page.page.keyboard.press("Control+Enter")
    page.finished()
    path, authorization, body = next(asked for asked in fake.asked if "steering" in asked[2])
    fake.asked.clear()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    environment |= {"OPENAI_API_KEY": key} if key else {}
    program = tmp_path / "ask.py"
    program.write_text(page.snippet("Python"), encoding="utf-8")
    for command in (["bash", "-c", page.snippet("curl")], [sys.executable, str(program)]):
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        assert "Draußen" in done.stdout.decode()
    assert [(path, unstreamed(body))] * 2 == [(asked[0], asked[2]) for asked in fake.asked]
    assert fake.asked[0][1] == authorization


def test_tabs_by_arrow_keys(page: Page) -> None:
    page.page.get_by_role("tab", name="curl").focus()
    page.page.keyboard.press("ArrowLeft")
    assert page.page.get_by_role("tab", name="Link").get_attribute("aria-selected") == "true"
    page.page.keyboard.press("ArrowRight")
    assert page.page.locator("#panel-curl").is_visible()
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.page.get_by_role("button", name="Copy").click()
    page.page.get_by_text("Copied.").wait_for()
    assert page.page.evaluate("navigator.clipboard.readText()") == page.snippet("curl")


CONTRAST = """() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = rgb(colour).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (it) => {
    for (; it; it = it.parentElement) {
      const colour = getComputedStyle(it).backgroundColor;
      if (rgb(colour)[3] === 255) return colour;
    }
  };
  return [...document.body.querySelectorAll("*")]
    .filter((it) => it.checkVisibility() && !it.disabled
      && [...it.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((it) => {
      const [a, b] = [light(getComputedStyle(it).color), light(behind(it))].sort((x, y) => y - x);
      return [it.tagName + "." + it.className, (a + 0.05) / (b + 0.05)];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(page: Page, fake: FakeOpenAI, scheme: str) -> None:
    page.page.emulate_media(color_scheme=scheme)
    page.open(f"{fake.url}/steering#target=zh&suppress=fr")  # a miss and an error
    page.page.reload()
    page.page.get_by_role("button", name="Run").click()
    page.finished()
    faint = {name: ratio for name, ratio in page.page.evaluate(CONTRAST) if ratio < 4.5}
    assert faint == {}


@pytest.mark.parametrize("width", [375, 320])
def test_a_narrow_window_scrolls_one_way_only(page: Page, fake: FakeOpenAI, width: int) -> None:
    page.page.set_viewport_size({"width": width, "height": 700})
    fake.answer = "x" * 400
    page.fill("Prompt", AWKWARD + "y" * 400)
    page.page.get_by_role("button", name="Run").click()
    page.finished()
    for name in ("curl", "Python", "Link"):
        page.snippet(name)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
