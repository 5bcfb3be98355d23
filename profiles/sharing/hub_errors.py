"""What the Hub's client raises, as errors for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from profiles.errors import LangsteerError, SharingError


class NoRepositoryError(SharingError):
    """There is no such repository, as far as one is allowed to know."""


@contextmanager
def hub_errors(what: str, hint: str = "") -> Iterator[None]:
    """Turn what the client raises into one SharingError.

    Args:
        what: was being done, and to what.
        hint: what to do where there is no network.
    """
    from huggingface_hub import errors

    try:
        yield
    except LangsteerError:
        raise
    except errors.GatedRepoError as error:
        raise SharingError(
            f"{what}: it is gated; accept its terms on its page, and set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise NoRepositoryError(
            f"{what}: there is no such repository, or it is private and HF_TOKEN does not open it"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise SharingError(f"{what}: there is no such revision") from error
    except errors.OfflineModeIsEnabled as error:
        raise SharingError(f"{what}: HF_HUB_OFFLINE is set, and this needs a network") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        hint = {
            401: "; set HF_TOKEN to a token of yours",
            403: "; HF_TOKEN must be allowed to write there",
            409: "; somebody else has changed it meanwhile: run this again",
            412: "; somebody else has changed it meanwhile: run this again",
        }.get(status or 0, "")
        raise SharingError(f"{what}: {_line(error)}{hint}") from error
    # By release the client's network errors are httpx's, httpx2's, or the system's.
    except Exception as error:
        raise SharingError(f"{what}: {_line(error)}{hint}") from error


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300] or type(error).__name__
