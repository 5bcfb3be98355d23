"""Endpoints for operators: the policy in force, and reading its file again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse

from server.invalid_file import invalid_file
from server.policy_file import PolicyFile
from server.routes import OWN_PATHS
from server.yamlfile.problem import FileError

_SHOWN = len("sha256:") + 8


def attach(app: FastAPI, policy: PolicyFile) -> None:
    """Add the endpoints to `app`; its API-key check covers them, and tenants are kept out."""
    router = APIRouter(prefix=f"{OWN_PATHS}policy", tags=["langsteer"])

    @router.get("")
    async def show() -> dict[str, Any]:
        """The policy in force."""
        return describe(policy)

    @router.post("/reload", response_model=None)
    async def reload() -> dict[str, Any] | JSONResponse:
        """Read the file again; one that cannot be used is refused, and the policy stays."""
        try:
            await policy.reload()
        except FileError as error:
            return invalid_file(error)
        return describe(policy)

    app.include_router(router)


def describe(policy: PolicyFile) -> dict[str, Any]:
    """The policy in force as JSON: only the beginnings of keys' hashes."""
    book = policy.book
    document = book.document.model_dump(mode="json", exclude_none=True)
    document["tenants"] = {
        name: [f"{each[:_SHOWN]}…" for each in hashes]
        for name, hashes in document["tenants"].items()
    }
    return {
        "object": "steering.policy",
        "path": str(policy.path),
        "loaded_at": policy.loaded_at,
        "digest": book.digest,
        "warnings": policy.warnings(),
        "policy": document,
    }
