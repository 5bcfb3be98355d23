"""`python -m server.reference [FILE]`: writes docs/api.md, from the OpenAPI document."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from fastapi import FastAPI

from server import own_api
from server.routes import STEERABLE, is_own
from server.schemas.steering import Steering

_INTRODUCTION = """# API

Written by `python -m server.reference docs/api.md`; a running server has the same as OpenAPI at
`/openapi.json`, beside vLLM's own routes.

"""
_STEERING = """## Steering a request

{routes}
take one more field, `steering`, and the header `X-Steering-Target`, which is `steering.target`
for clients that cannot send the field. {about}

{table}

```json
{example}
```

Answers say in `X-Steering-Profile` what was applied and, under a policy, in `X-Steering-Policy`
which rule was met ([policy.md](policy.md)). A 400 says what is wrong with the wish, a 413 that the
body is too large to be rewritten; steering is never left out silently.

"""
_OWN = """## Endpoints

What is below `/v1` is behind the API key; a tenant's key may only read the profiles and have
languages identified, and so may a key that is not admin where `--access` has admin keys. Probes
need no key. What is answered to keys that are unknown or over their limits is in
[access.md](access.md#answers). Every error has this form, which is OpenAI's, also the 404 of a path
that is not here and the 405 of a method that is not (what takes GET takes HEAD too):

```json
{"error": {"message": "…", "type": "NotFoundError", "param": "name", "code": 404}}
```

"""


def document() -> dict[str, Any]:
    """OpenAPI of our endpoints, beside stand-ins of the routes that can be steered."""
    app = FastAPI(title="langsteer")

    async def steerable(body: dict[str, Any]) -> dict[str, Any]:
        return body

    for path in sorted(STEERABLE):
        app.post(path)(steerable)
    # Nobody is going to call what needs a running engine.
    own_api.attach(app, registry=_none, control=_none, engine=_none, policy=_none, access=_none)
    return app.openapi()


def reference(document: dict[str, Any]) -> str:
    """The document's own endpoints, and the field `steering`, as Markdown."""
    schemas = document["components"]["schemas"]
    field = schemas["Steering"]
    parts = [
        _INTRODUCTION,
        _STEERING.format(
            routes=", ".join(f"`{path}`" for path in sorted(STEERABLE)),
            about=_line(field["description"]),
            table=_fields(field),
            example=_json({"steering": Steering.example}),
        ),
        _OWN,
        *(
            _endpoint(f"{method.upper()} {path}", operation)
            for path, methods in document["paths"].items()
            if is_own(path)
            for method, operation in methods.items()
        ),
        "## Objects\n\n",
        *(
            f"### {name}\n\n{_line(s['description'])}\n\n{_fields(s)}\n\n"
            for name, s in _own(document)
        ),
    ]
    return "".join(parts).rstrip() + "\n"


def _endpoint(title: str, operation: dict[str, Any]) -> str:
    lines = [f"### {title}", f"**{operation['summary']}.** {_line(operation['description'])}"]
    if parameters := operation.get("parameters"):
        rows = [f"| `{p['name']}` | {p['in']} | {p['description']} |" for p in parameters]
        lines.append("\n".join(["| Parameter | in | |", "| --- | --- | --- |", *rows]))
    if body := operation.get("requestBody"):
        media = body["content"]["application/json"]
        lines += [f"Takes {_type(media['schema'])}:", _fenced(_example(media))]
    rows = []
    for status, response in sorted(operation["responses"].items()):
        media = response["content"]["application/json"]
        if status == "200":
            lines += [f"Answers {_type(media['schema'])}:", _fenced(_example(media))]
        else:
            rows.append(f"| {status} | {response['description']} |")
    if rows:
        lines.append("\n".join(["| Status | |", "| --- | --- |", *rows]))
    return "\n\n".join(lines) + "\n\n"


def _own(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas that our endpoints' bodies and the field are made of, by name."""
    seen: set[str] = set()
    schemas = document["components"]["schemas"]
    todo = [operations for path, operations in document["paths"].items() if is_own(path)]
    todo.append(schemas[Steering.__name__])
    while todo:
        for name in sorted(_references(todo.pop()) - seen):
            seen.add(name)
            todo.append(schemas[name])
    for name in sorted(seen):
        yield name, schemas[name]


def _references(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for each in value for name in _references(each)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"].rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set()
    return own | {name for each in value.values() for name in _references(each)}


def _fields(schema: dict[str, Any]) -> str:
    rows = [
        f"| `{name}` | {_type(field)} | {_line(field.get('description', ''))} |".replace(
            "|  |", "| |"
        )
        for name, field in schema["properties"].items()
    ]
    return "\n".join(["| Field | | |", "| --- | --- | --- |", *rows])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(each)}`" for each in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_inner(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_inner(schema['additionalProperties'])}"
    return str(kind)


def _inner(schema: dict[str, Any]) -> str:
    found = _type(schema)
    return f"({found})" if " or " in found or ", " in found else found


def _example(media: dict[str, Any]) -> Any:
    if "example" in media:
        return media["example"]
    return next(iter(media["examples"].values()))["value"]


def _fenced(value: Any) -> str:
    return f"```json\n{_json(value)}\n```"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _line(text: str) -> str:
    return " ".join(text.split())


def _none(*_: Any) -> NoReturn:
    raise AssertionError("this application is described, not served")


if __name__ == "__main__":
    written = reference(document())
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(written, encoding="utf-8")
    else:
        sys.stdout.write(written)
