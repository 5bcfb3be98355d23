"""What the stages of a map are called, see `Layout.scopes`."""

from __future__ import annotations

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    "attention": "attention",
    "pre_norm": "+ norm before FF",
    "ff": "+ FF",
    "post_norm": "+ norm after FF",
    "residual": "+ residual",
    "last_norm": "+ norm",
}
# For the head of a column.
SHORT: Mapping[str, str] = {
    "attention": "attention",
    "pre_norm": "+norm in",
    "ff": "+FF",
    "post_norm": "+norm out",
    "residual": "+resid",
    "last_norm": "+norm",
}
