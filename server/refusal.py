"""A request that the policy does not let through."""

from __future__ import annotations

from starlette.responses import JSONResponse

from profiles.errors import LangsteerError
from server.errors import ApiError
from server.policy.ruling import HEADER, NO_RULE


class Refusal(LangsteerError):
    """An error to be answered with the name of the rule it came from.

    Attributes:
        error: what is answered.
        rule: the rule that was met; "" where the request was refused before one was.
    """

    def __init__(self, error: ApiError, rule: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.rule = rule

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.error.to_body(), self.error.status, {HEADER: self.rule or NO_RULE})
