"""The OpenAPI document of our endpoints, and what steering adds to vLLM's routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict

from server import reference
from server.catalog import Catalog
from server.decide import decide
from server.openapi import described
from server.routes import STEERABLE, is_own
from server.schemas.steering import Steering

DOCUMENT = reference.document()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


OWN = [each for each in operations() if is_own(each[0])]
ALL = [*operations()]


def named(each: Any) -> str:
    return each if isinstance(each, str) else ""


def examples(media: dict[str, Any]) -> list[Any]:
    found = [each["value"] for each in media.get("examples", {}).values()]
    return [*found, *([media["example"]] if "example" in media else [])]


def check(value: Any, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole).validate(value)


def test_the_reference_is_up_to_date() -> None:
    written = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")
    assert written == reference.reference(DOCUMENT), "python -m server.reference docs/api.md"


def test_every_endpoint_is_there() -> None:
    assert {(method, path) for path, method, _ in OWN} == {
        ("get", "/v1/steering/profiles"),
        ("get", "/v1/steering/profiles/{name}"),
        ("post", "/v1/steering/profiles/reload"),
        *(
            ("post", f"/v1/steering/profiles/{{name}}/{verb}")
            for verb in ("load", "unload", "pin", "unpin")
        ),
        ("get", "/v1/steering/status"),
        ("get", "/v1/steering/policy"),
        ("post", "/v1/steering/policy/reload"),
        ("post", "/v1/steering/policy/explain"),
        ("get", "/v1/steering/access"),
        ("post", "/v1/steering/access/reload"),
        ("post", "/v1/steering/identify"),
        ("get", "/steering/health/live"),
        ("get", "/steering/health/ready"),
    }


@pytest.mark.parametrize(("path", "method", "operation"), OWN, ids=named)
def test_everything_is_described_with_valid_examples(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["description"]
    for parameter in operation.get("parameters", []):
        assert parameter["description"]
        (example,) = parameter["schema"]["examples"]
        check(example, parameter["schema"])
    if "requestBody" in operation:
        media = operation["requestBody"]["content"]["application/json"]
        assert examples(media)
        for example in examples(media):
            check(example, media["schema"])
    assert "422" not in operation["responses"] or path.endswith(
        ("/load", "/policy/reload", "/access/reload")
    )
    for status, response in operation["responses"].items():
        assert response["description"]
        media = response["content"]["application/json"]
        assert examples(media), status
        for example in examples(media):
            check(example, media["schema"])
            if "error" in example and status != "200":
                assert example["error"]["code"] == int(status)


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_schemas_are_valid_and_their_fields_have_types(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    Draft202012Validator.check_schema(schema)
    for example in schema.get("examples", []):
        check(example, schema)


@pytest.mark.parametrize("path", sorted(STEERABLE))
def test_steerable_routes_show_the_field_and_the_headers(path: str) -> None:
    operation = DOCUMENT["paths"][path]["post"]
    (header,) = [each for each in operation["parameters"] if each["name"] == "X-Steering-Target"]
    check(header["example"], header["schema"])
    media = operation["requestBody"]["content"]["application/json"]
    for good in ({"steering": Steering.example}, {"steering": None}, {}, {"prompt": "a"}):
        check(good, media["schema"])
    for bad in ({"target": 1}, {"strength": 0}, {"strength": 9}, {"other": 1}, [], {"phase": "a"}):
        validator = Draft202012Validator({**media["schema"], "components": DOCUMENT["components"]})
        assert not validator.is_valid({"steering": bad})
    told = operation["responses"]["200"]["headers"]
    assert set(told) == {"X-Steering-Profile", "X-Steering-Policy"}
    for status in ("400", "413"):
        media = operation["responses"][status]["content"]["application/json"]
        check(media["example"], media["schema"])


def test_the_example_is_one_that_steers(catalog: Catalog) -> None:
    applied = decide(
        path="/v1/completions",
        header=(),
        body={"steering": Steering.example},
        catalog=catalog,
        max_strength=8.0,
    )
    assert applied
    assert applied.target


class Request(BaseModel):
    """As vLLM's are: whatever it does not know is taken too."""

    model_config = ConfigDict(extra="allow")

    prompt: str


def vllm() -> FastAPI:
    """Stands for vLLM: two routes share a request, only one of them can be steered."""
    app = FastAPI()

    @app.post("/v1/completions", responses={400: {"description": "vLLM's own words"}})
    async def completions(body: Request) -> dict[str, Any]:
        return body.model_dump()

    @app.post("/v1/completions/render")
    async def render(body: Request) -> dict[str, Any]:
        return body.model_dump()

    @app.get("/v1/models")
    async def models() -> None: ...

    return app


def test_the_rest_of_vllms_document_stays_as_it_is() -> None:
    before = vllm().openapi()
    after = described(before)
    assert before == vllm().openapi()
    for path in ("/v1/completions/render", "/v1/models"):
        assert after["paths"][path] == before["paths"][path]
    for name, schema in before["components"]["schemas"].items():
        assert after["components"]["schemas"][name] == schema
    responses = after["paths"]["/v1/completions"]["post"]["responses"]
    assert responses["400"] == {"description": "vLLM's own words"}
    assert "422" in responses
    media = after["paths"]["/v1/completions"]["post"]["requestBody"]["content"]["application/json"]
    assert [list(each.values()) for each in media["schema"]["allOf"]] == [
        ["#/components/schemas/Request"],
        ["#/components/schemas/SteeredRequest"],
    ]


def test_to_describe_twice_is_to_describe_once() -> None:
    once = described(vllm().openapi())
    assert described(once) == once
    assert described({}) == described(described({}))
