"""docs/policy.md and the example file, held to the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from server.catalog import Catalog
from server.policy.asked import Asked
from server.policy.block import Block, Enforcement, Monitoring, OwnReasoning, StrengthRange
from server.policy.case import Case
from server.policy.document import Document, When
from server.policy.load import load
from server.policy.ruling import Ruling
from server.routes import TEXTLESS

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/policy.md").read_text()
EXAMPLE = (ROOT / "deploy/policy.example.yaml").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
KOREAN = "오늘 날씨가 정말 좋네요. 우리 내일 어디로 놀러 갈까요?"


@pytest.fixture(scope="module")
def twelve() -> Catalog:
    from tests.server.conftest import entry

    tags = ("de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "zh")
    return Catalog(entry(tag) for tag in tags)


def section(title: str) -> str:
    """The first policy below a heading."""
    return BLOCKS[DOC[: DOC.index(f"### {title}\n")].count("```yaml")]


def rule(text: str, catalog: Catalog, body: dict[str, Any], **more: Any) -> Ruling:
    asked = Asked(**{"route": "/v1/chat/completions", "body": body, **more})
    return Case(load(text.encode()), asked, catalog, max_strength=8.0).rule()


def target(ruling: Ruling) -> str:
    return ruling.applied.target.name if ruling.applied and ruling.applied.target else ""


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_policy_in_the_docs_loads(number: int, twelve: Catalog) -> None:
    book = load(BLOCKS[number].encode())
    assert book.warnings == ()
    assert book.unmet(twelve) == []


def test_the_first_is_the_file_that_ships() -> None:
    assert len(BLOCKS) == 6
    assert BLOCKS[0] == EXAMPLE


@pytest.mark.parametrize(
    "model", [Document, When, Block, StrengthRange, OwnReasoning, Monitoring, Enforcement]
)
def test_every_field_is_in_the_table_of_its_part(model: type[BaseModel]) -> None:
    rows = [f"| `{name}` | {field.description} |" for name, field in model.model_fields.items()]
    table = "\n".join(["| Key | |", "| --- | --- |", *rows])
    assert f"<!-- fields:{model.__name__} -->\n{table}\n" in DOC, table


def test_the_routes_that_pass_are_listed() -> None:
    listed = DOC.partition("<!-- textless -->")[2].partition("\n\nand ")[0]
    assert set(re.findall(r"`([^`]+)`", listed)) == {
        *TEXTLESS,
        "/v1/responses/{id}/cancel",
        "/v1/steering/…",
        "/steering/health/…",
    }


def test_stop_chinese_leaking(twelve: Catalog) -> None:
    text = section("Stop Chinese leaking into Korean answers")
    ruling = rule(text, twelve, {"messages": [{"role": "user", "content": KOREAN}]})
    assert ruling.applied
    assert (target(ruling), [each.name for each in ruling.applied.suppress]) == ("ko", ["zh"])


def test_think_in_english_answer_in_japanese(twelve: Catalog) -> None:
    ruling = rule(section("Think in English, answer in Japanese"), twelve, {})
    assert re.fullmatch(
        r"ja@\w+; strength=1; phase=decode; reasoning=en@\w+; reasoning-strength=1", ruling.header()
    )


def test_rag_in_the_users_language(twelve: Catalog) -> None:
    text = section("RAG in the user's language")
    asked = {
        "messages": [{"role": "user", "content": "Some English document.\n" * 60 + KOREAN * 20}]
    }
    assert target(rule(text, twelve, asked)) == "ko"
    assert target(rule(text, twelve, asked, accept_language=("fr-CA",))) == "fr"
    assert target(rule(text, twelve, {**asked, "user": "locale=de"})) == "de"
    assert target(rule(text, twelve, {"prompt": "?"})) == "en"


def test_one_tenant_one_language(twelve: Catalog) -> None:
    text = section("One tenant, one language")
    acme = frozenset({"acme"})
    assert target(rule(text, twelve, {}, tenants=acme)) == "ja"
    assert rule(text, twelve, {}).reason == "exempt"
    assert target(rule(text, twelve, {"steering": {"target": "de"}})) == "de"


def test_bilingual_support(twelve: Catalog) -> None:
    text = section("Bilingual support")
    for said, expected in (
        ("Bonjour, pourriez-vous m'aider à retrouver ma commande ?", "fr"),
        ("Hello, could you please help me find my order?", "en"),
        ("Hallo, können Sie mir bitte helfen, meine Bestellung zu finden?", "en"),
    ):
        body = {"model": "support", "messages": [{"role": "user", "content": said}]}
        assert target(rule(text, twelve, body)) == expected
    assert rule(text, twelve, {"model": "other"}).reason == "exempt"
