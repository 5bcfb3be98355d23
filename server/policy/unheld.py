"""Why an answer cannot be held back and judged before it is sent, as far as the request tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unheld(fields: Mapping[str, Any]) -> str:
    """The field of a request's body under which enforcement is left out, or "".

    A stream goes out as it comes, a background answer comes by another request.
    """
    return next((key for key in ("stream", "background") if fields.get(key)), "")
