"""The Hub's own client, made for an endpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from profiles.errors import SharingError
from profiles.sharing.loopback import is_loopback
from profiles.versions import installed

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PATIENCE = 30.0


def hub_client(environment: Mapping[str, str] = os.environ) -> HfApi:
    """The client of $HF_ENDPOINT, by default huggingface.co; the token is the client's business.

    Raises:
        SharingError: the endpoint is not https, nor on this machine.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils.tqdm import disable_progress_bars

    endpoint = (environment.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    parts = urlsplit(endpoint)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise SharingError(f"HF_ENDPOINT is {endpoint}: a token would be sent to it, use https://")
    disable_progress_bars()  # ours is the one
    return HfApi(
        endpoint=endpoint, library_name="langsteer", library_version=installed("langsteer")
    )
