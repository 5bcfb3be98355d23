from __future__ import annotations

import time

import pytest

from server.monitor.prose import Excluded, prose

GERMAN = "Der Befehl unten kopiert die Datei in den neuen Ordner."


def words(text: str, *exclude: Excluded) -> str:
    return " ".join(prose(text, exclude).split())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"{GERMAN}\n```sh\n# copy the file to the folder\ncp a b\n```\nFertig.", "Fertig."),
        (f"{GERMAN}\n~~~\nsome ``` code\n~~~\nFertig.", "Fertig."),
        (f"{GERMAN}\n\n    copy the file\n    and go on\n\nFertig.", "Fertig."),
        (f"{GERMAN}\n```\nnever closed, all of it is code", ""),
        (f"{GERMAN} `copy the file` <b>", ""),
        (f"{GERMAN} https://example.com/copy-the-file?x=1 some.one@example.com", ""),
        (rf"{GERMAN} $\text{{copy the file}}_1$ \(a + b\) \[ c \] $$x^2$$", ""),
    ],
)
def test_code_is_left_out_and_what_is_around_it_stays(text: str, left: str) -> None:
    assert words(text, "code") == f"{GERMAN} {left}".strip()
    assert words(text) == " ".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "Es kostet $5 und danach noch $6 im Monat.",
        "- Erstens dies hier.\n\n    Und das gehört noch zum ersten Punkt.",
        "Ein ` allein und 3 < 4 und 5 > 2 machen nichts.",
        "Der Text steht\n    nur eingerückt.",
    ],
)
def test_what_only_looks_like_code_stays(text: str) -> None:
    assert words(text, "code") == " ".join(text.split())


@pytest.mark.parametrize(
    "quotation",
    [
        "„To be or not to be, that is it“",
        "“To be or not to be, that is it”",
        "»To be or not to be, that is it«",
        "«To be or not to be, that is it»",
        '"To be or not to be, that is it"',
        "\n> To be or not to be, that is it\n",
    ],
)
def test_long_quotations_are_left_out_and_short_ones_stay(quotation: str) -> None:
    text = f"Im dritten Akt sagt Hamlet: {quotation} und das „Sein“ ist gemeint, so das Buch."
    left = words(text, "quotes")
    assert "To be" not in left
    assert left.startswith("Im dritten Akt sagt Hamlet:")
    assert "„Sein“" in left or "\n>" in quotation


def test_japanese_quotations() -> None:
    text = (
        "彼は席で「我々は明日から新しい計画を始めることにした」と静かに述べてから「はい」と答えた。"
    )
    assert words(text, "quotes") == "彼は席で と静かに述べてから「はい」と答えた。"


def test_a_text_that_is_mostly_dialogue_keeps_it() -> None:
    text = "„Ich komme morgen wieder nach Hause“, sagte er. „Dann essen wir alle zusammen etwas.“"
    assert words(text, "quotes") == text


def test_latin_names_are_left_out_of_other_scripts_only() -> None:
    text = "Компания Apple Computer выпустила новый телефон iPhone 15 Pro в городе Cupertino."
    left = words(text, "names")
    assert "Apple" not in left
    assert "Cupertino" not in left
    assert left.startswith("Компания выпустила новый телефон")
    german = "Die Firma Apple Computer hat ein Telefon."
    assert words(german, "names") == german
    english = "The company said hello to Москва, and All Other Cities too."
    assert words(english, "names") == english


@pytest.mark.parametrize(
    "text",
    [
        "a" * 20_000,
        "あ" * 20_000,
        '"a ' * 7_000,
        "`" * 20_000,
        "$a" * 10_000,
        r"\(" * 10_000,
        r"\[a" * 7_000,
        "<a" * 10_000,
        "a.b@" * 5_000,
        "„«“「" * 5_000,
        "A " * 10_000,
        "> \n" * 7_000,
        "```\n" * 5_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    prose(text, ("code", "quotes", "names"))
    assert time.process_time() - start < 0.5
