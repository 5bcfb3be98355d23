"""docs/access.md and the example file, held to the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from server.access.document import Document, Key, Limits, ServerLimits
from server.access.load import load
from server.errors import (
    AccessConflictError,
    ApiError,
    BodyTooLargeError,
    ForbiddenError,
    HeadersTooLargeError,
    RateLimitError,
    Reason,
    ServerFullError,
    UnauthorizedError,
)
from server.routes import OPEN

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/access.md").read_text()
EXAMPLE = (ROOT / "deploy/access.example.yaml").read_text()


def test_the_file_in_the_docs_is_the_one_that_ships_and_loads() -> None:
    assert re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL) == [EXAMPLE]
    rules = load(EXAMPLE.encode())
    assert rules.warnings == ()
    for key, name, rate, admin in (
        ("demo-key-of-acme", "key/acme", 600, False),
        ("demo-key-of-the-batch-jobs", "key/batch", 6000, False),
        ("demo-key-of-an-operator", "key/operators", 600, True),
    ):
        client = rules.client([key], "")
        assert (client.name, client.admin) == (name, admin)
        assert client.limits.requests_per_minute == rate


@pytest.mark.parametrize("model", [Document, Key, Limits, ServerLimits])
def test_every_field_is_in_the_table_of_its_part(model: type[BaseModel]) -> None:
    rows = [f"| `{name}` | {field.description} |" for name, field in model.model_fields.items()]
    table = "\n".join(["| Key | |", "| --- | --- |", *rows])
    assert f"<!-- fields:{model.__name__} -->\n{table}\n" in DOC, table


def test_what_is_open_is_listed() -> None:
    listed = DOC.partition("<!-- open -->")[2].partition(", and every")[0]
    assert set(re.findall(r"`([^`]+)`", listed)) == OPEN


def test_the_errors_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \| `(\w+)` \|", DOC, re.MULTILINE)
    errors: tuple[type[ApiError], ...] = (
        *(AccessConflictError, UnauthorizedError, ForbiddenError, BodyTooLargeError),
        *(RateLimitError, HeadersTooLargeError, ServerFullError),
    )
    assert {(int(status), kind) for status, kind, _ in rows} == {
        (error.status, error.type) for error in errors
    }
    assert {reason for _, _, reason in rows} <= set(get_args(Reason))
