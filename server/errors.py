"""Errors an HTTP client can meet, their status codes and OpenAI error form, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from profiles.errors import LangsteerError

Reason = Literal[
    "bad_type",
    "bad_value",
    "concurrency",
    "conflict",
    "engine",
    "forbidden",
    "headers_too_large",
    "in_use",
    "malformed_body",
    "missing_edit",
    "no_language",
    "pinned",
    "rate_limit",
    "reserved",
    "server_full",
    "too_large",
    "unauthorized",
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
        headers: that the answer has beside its own.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "InternalServerError"

    def __init__(
        self,
        message: str,
        *,
        reason: Reason,
        param: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.param = param
        self.headers = headers

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


class AccessConflictError(ApiError):
    """It cannot be told whose request it is."""

    status = 400
    type = "BadRequestError"

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="conflict")


class UnauthorizedError(ApiError):
    """The request has no key that the server knows."""

    status = 401
    type = "AuthenticationError"

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="unauthorized", headers={"www-authenticate": "Bearer"})


class ForbiddenError(ApiError):
    """This client may not have what it asks for."""

    status = 403
    type = "PermissionDeniedError"


class NotFoundError(ApiError):
    """No profile of that name is loaded."""

    status = 404
    type = "NotFoundError"


class NoEndpointError(ApiError):
    """There is no such endpoint."""

    status = 404
    type = "NotFoundError"


class MethodError(ApiError):
    """The endpoint does not take this method; `Allow` says which it takes."""

    status = 405
    type = "MethodNotAllowedError"


class InUseError(ApiError):
    """Requests in flight need what was to be taken away."""

    status = 409
    type = "ConflictError"


class PinnedError(ApiError):
    """The profile is pinned: nothing takes it away or replaces it before it is unpinned."""

    status = 409
    type = "ConflictError"


class BodyTooLargeError(ApiError):
    """The body is larger than the server is willing to take, or to rewrite."""

    status = 413
    type = "RequestEntityTooLargeError"


class ProfileFileInvalidError(ApiError):
    """The profile file cannot be used; what was on offer still is."""

    status = 422
    type = "UnprocessableEntityError"


class FileInvalidError(ApiError):
    """The file on disk cannot be used; what it said before is still in force."""

    status = 422
    type = "UnprocessableEntityError"


class RateLimitError(ApiError):
    """The client has asked for as much as it may, for now."""

    status = 429
    type = "rate_limit_exceeded"  # OpenAI's word


class HeadersTooLargeError(ApiError):
    """All headers together are larger than the server takes."""

    status = 431
    type = "RequestHeaderFieldsTooLargeError"


class ServerFullError(ApiError):
    """The server has as much to do as it takes."""

    status = 503
    type = "ServiceUnavailableError"


class EngineUnavailableError(ApiError):
    """The engine did not answer."""

    status = 503
    type = "ServiceUnavailableError"
