"""Errors a user of langsteer can meet, one small tree."""


class LangsteerError(Exception):
    """Base of every error langsteer raises on purpose; its text is meant for the user."""


class ProfileError(LangsteerError):
    """A steering profile is unreadable, damaged, or does not belong to this model."""


class CorpusError(LangsteerError):
    """The text to profile with is missing, unreadable, or unusable."""


class ModelError(LangsteerError):
    """The model cannot be loaded, or has no feed-forward layers langsteer can edit."""


class SharingError(LangsteerError):
    """A shared profile cannot be fetched, published or trusted."""
