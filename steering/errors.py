"""Errors of the engine half."""

from profiles.errors import LangsteerError


class EngineError(LangsteerError):
    """The engine cannot steer as asked; the text says what to change."""


class CapacityError(EngineError):
    """The fixed device tables have no room for a profile; the text says which setting to raise."""
