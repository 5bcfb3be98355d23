"""Errors an HTTP client can meet, their status codes and OpenAI error form, in one place."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from profiles.errors import LangsteerError

Reason = Literal[
    "bad_type",
    "bad_value",
    "conflict",
    "engine",
    "forbidden",
    "in_use",
    "malformed_body",
    "missing_edit",
    "no_language",
    "pinned",
    "reserved",
    "too_large",
    "unknown_key",
    "unknown_language",
    "unknown_profile",
    "unsupported_option",
    "unsupported_path",
]


class ApiError(LangsteerError):
    """Base of every error answered over HTTP.

    Attributes:
        status: HTTP status code.
        type: as vLLM names errors of that status.
        param: dotted name of the offending field, or None.
        reason: what was wrong, from a short closed list; a metric's label.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "InternalServerError"

    def __init__(self, message: str, *, reason: Reason, param: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.param = param

    def to_body(self) -> dict[str, Any]:
        """The OpenAI error object, field for field as vLLM writes it (an integer code)."""
        return {
            "error": {
                "message": str(self),
                "type": self.type,
                "param": self.param,
                "code": self.status,
            }
        }


class BadRequestError(ApiError):
    """An argument of the request is missing or malformed."""

    status = 400
    type = "BadRequestError"


class PolicyError(ApiError):
    """The request asks for steering that cannot be given; it is refused, never run unsteered."""

    status = 400
    type = "BadRequestError"


class ForbiddenError(ApiError):
    """The server's policy does not let this client have what it asks for."""

    status = 403
    type = "PermissionDeniedError"


class NotFoundError(ApiError):
    """No profile of that name is loaded."""

    status = 404
    type = "NotFoundError"


class InUseError(ApiError):
    """Requests in flight need what was to be taken away."""

    status = 409
    type = "ConflictError"


class PinnedError(ApiError):
    """The profile is pinned: nothing takes it away or replaces it before it is unpinned."""

    status = 409
    type = "ConflictError"


class BodyTooLargeError(ApiError):
    """A steered request's body is larger than the server is willing to rewrite."""

    status = 413
    type = "RequestEntityTooLargeError"


class ProfileFileInvalidError(ApiError):
    """The profile file cannot be used; what was on offer still is."""

    status = 422
    type = "UnprocessableEntityError"


class PolicyFileInvalidError(ApiError):
    """The policy file on disk cannot be used; the policy in force is still the old one."""

    status = 422
    type = "UnprocessableEntityError"


class EngineUnavailableError(ApiError):
    """The engine did not answer."""

    status = 503
    type = "ServiceUnavailableError"
