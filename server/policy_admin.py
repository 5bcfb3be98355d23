"""Endpoints for operators: the policy in force, its file read again, and a dry run of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from server.aliases import Aliases
from server.answers import answers
from server.catalog import Catalog
from server.errors import BadRequestError, ForbiddenError
from server.invalid_file import INVALID_FILE, invalid_file
from server.own_route import OwnRoute
from server.policy.explain import explain as explained
from server.policy_file import PolicyFile
from server.policy_question import question
from server.routes import OWN_PATHS
from server.schemas.explanation import Explanation, PolicyQuestion
from server.schemas.policy import PolicyAnswer
from server.scopes import keys_in
from server.yamlfile.problem import FileError

_SHOWN = len("sha256:") + 8
_Question = Annotated[
    PolicyQuestion,
    Body(openapi_examples={"a tenant's request": {"value": PolicyQuestion.example}}),
]


def router(
    policy: Callable[[], PolicyFile],
    catalog: Callable[[], Catalog],
    default_model: Callable[[], str],
    aliases: Aliases | None = None,
) -> APIRouter:
    """The endpoints; they are behind the API key, and tenants are kept out.

    Args:
        policy: gives the policy's file.
        catalog: gives the profiles on offer now.
        default_model: gives what a request without `model` means; "" while that is unknown.
        aliases: of the model's names; None where it has none.
    """
    routes = APIRouter(prefix=f"{OWN_PATHS}policy", tags=["policy"], route_class=OwnRoute)

    @routes.get("", summary="Show the policy", responses=answers(PolicyAnswer, ForbiddenError))
    async def show() -> PolicyAnswer:
        """The policy in force."""
        return describe(policy())

    @routes.post(
        "/reload",
        summary="Reload the policy",
        response_model=PolicyAnswer,
        responses=answers(PolicyAnswer, ForbiddenError) | INVALID_FILE,
    )
    async def reload() -> PolicyAnswer | JSONResponse:
        """Read the file again; one that cannot be used is refused, and the policy stays."""
        try:
            await policy().reload()
        except FileError as error:
            return invalid_file(error)
        return describe(policy())

    @routes.post(
        "/explain",
        summary="Try the policy",
        responses=answers(Explanation, BadRequestError, ForbiddenError),
    )
    async def explain(asked: _Question) -> Explanation:
        """Which rule a request would meet, and what would be applied or why it would be refused.

        Nothing is sent to the model, and nothing is counted. It asks the very code that decides
        about requests; what it does not see is the size of the body, and keys that are there twice.
        """
        # Telling a long text's language takes a while, and requests are to be served meanwhile.
        return await asyncio.to_thread(
            _explained, policy(), catalog(), default_model(), aliases, asked
        )

    return routes


def describe(policy: PolicyFile) -> PolicyAnswer:
    """The policy in force as JSON: only the beginnings of keys' hashes."""
    book = policy.book
    document = book.document.model_dump(mode="json", exclude_none=True)
    document["tenants"] = {
        name: [f"{each[:_SHOWN]}…" for each in hashes]
        for name, hashes in document["tenants"].items()
    }
    return PolicyAnswer(
        object="steering.policy",
        path=str(policy.path),
        loaded_at=policy.loaded_at,
        digest=book.digest,
        warnings=policy.warnings(),
        policy=document,
    )


def _explained(
    policy: PolicyFile,
    catalog: Catalog,
    default_model: str,
    aliases: Aliases | None,
    asked: PolicyQuestion,
) -> Explanation:
    sent = [
        (name, value)
        for name, values in asked.headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    lower = [(name.strip().lower(), value.strip()) for name, value in sent]
    keys = keys_in(
        *([value for name, value in lower if name == key] for key in ("x-api-key", "authorization"))
    )
    try:
        case = question(
            policy.book,
            catalog,
            tenant=asked.tenant,
            keys=keys,
            model=default_model,
            route=asked.route,
            headers=sent,
            body=_dumped(asked.body),
            max_strength=policy.max_strength,
            no_reasoning=policy.no_reasoning(),
            aliases=aliases,
        )
    except FileError as error:
        raise BadRequestError(str(error), param="tenant", reason="bad_value") from error
    return Explanation.model_validate({"object": "steering.explanation", **explained(case)})


def _dumped(body: Any) -> bytes:
    try:
        return json.dumps(body).encode()
    except (RecursionError, ValueError) as error:
        raise BadRequestError(
            f"the body cannot be written as JSON: {str(error)[:100]}",
            param="body",
            reason="malformed_body",
        ) from error
