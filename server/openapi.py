"""vLLM's OpenAPI document, and what steering adds to it. Pure: a document in, a document out."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import BaseModel

from server.errors import BodyTooLargeError, PolicyError
from server.routes import STEERABLE, is_own
from server.schemas.error import ErrorBody
from server.schemas.identification import IdentifyQuestion
from server.schemas.steering import SteeredRequest, Steering
from server.wish import FIELD, HEADER

_SCHEMAS = "#/components/schemas/"


def reference_to(model: type[BaseModel]) -> dict[str, str]:
    """How a document refers to the schema of a model."""
    return {"$ref": f"{_SCHEMAS}{model.__name__}"}


_REFERENCE = reference_to(SteeredRequest)
_HEADERS: dict[str, Any] = {
    "X-Steering-Profile": {
        "description": "What was applied; absent where nothing was asked for.",
        "schema": {"type": "string"},
        "example": "de@1a2b3c4d5e6f; strength=1; phase=all",
    },
    "X-Steering-Policy": {
        "description": "The policy's rule that was met; absent without a policy.",
        "schema": {"type": "string"},
        "example": "defaults",
    },
}
_PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": f"Language to answer in, as `{FIELD}.target`, for clients that cannot send it.",
    "schema": {"type": "string", "maxLength": 35},
    "example": "de",
}


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the field `steering`, its headers and its errors on steerable routes.

    Two things that FastAPI says of our own routes are corrected: the answer to invalid arguments
    is a 400, as vLLM gives it, and nulls are part of the examples.

    Args:
        document: OpenAPI 3.1; stays as it is.
    """
    out = copy.deepcopy(document)
    schemas = out.setdefault("components", {}).setdefault("schemas", {})
    for model in (SteeredRequest, ErrorBody, IdentifyQuestion):
        schema = model.model_json_schema(ref_template=_SCHEMAS + "{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    schemas[Steering.__name__]["examples"] = [Steering.example]
    for path, operations in out.get("paths", {}).items():
        if path in STEERABLE and "post" in operations:
            _steerable(operations["post"])
        if is_own(path):
            for operation in operations.values():
                _own(operation, schemas)
    if "HTTPValidationError" not in str(out.get("paths")):
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
    return out


def _steerable(operation: dict[str, Any]) -> None:
    parameters = operation.setdefault("parameters", [])
    if not any(each.get("name") == HEADER for each in parameters):
        parameters.append(copy.deepcopy(_PARAMETER))
    body = operation.setdefault("requestBody", {}).setdefault("content", {})
    media = body.setdefault("application/json", {})
    # Not into vLLM's own schema: other routes, which cannot be steered, share it.
    before = media.get("schema")
    if before != _REFERENCE and _REFERENCE not in (before or {}).get("allOf", []):
        media["schema"] = {"allOf": [before, _REFERENCE]} if before else dict(_REFERENCE)
    responses = operation.setdefault("responses", {})
    good = responses.setdefault("200", {"description": "The answer."})
    good.setdefault("headers", {}).update(copy.deepcopy(_HEADERS))
    for error in (PolicyError, BodyTooLargeError):
        example = error((error.__doc__ or "").strip(), reason="bad_value").to_body()
        responses.setdefault(
            str(error.status),
            {
                "description": example["error"]["message"],
                "content": {
                    "application/json": {
                        "schema": reference_to(ErrorBody),
                        "example": example,
                    }
                },
            },
        )


def _own(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    default = f"{_SCHEMAS}HTTPValidationError"
    for status, response in [*operation.get("responses", {}).items()]:
        media = response.get("content", {}).get("application/json", {})
        if media.get("schema", {}).get("$ref") == default:
            del operation["responses"][status]
            continue
        examples = [each["value"] for each in media.get("examples", {}).values()]
        for example in [*examples, *([media["example"]] if "example" in media else [])]:
            _put_nulls(example, media["schema"], schemas)


def _put_nulls(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Fill in what an example must have and has not: FastAPI leaves nulls out."""
    # Of alternatives ours are an object or null.
    schema = next((each for each in schema.get("anyOf", ()) if "$ref" in each), schema)
    if "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(_SCHEMAS)]
    if isinstance(value, list):
        for each in value:
            _put_nulls(each, schema.get("items", {}), schemas)
    elif isinstance(value, dict):
        for name in schema.get("required", ()):
            value.setdefault(name, None)
        fields, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, each in value.items():
            part = fields.get(name, others if isinstance(others, dict) else {})
            _put_nulls(each, part, schemas)
