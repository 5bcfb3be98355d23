"""A request's body: whether it could ask for steering, and how it reads for vLLM."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from server.errors import PolicyError
from server.wish import FIELD, KEYS, REASONING
from steering.request import PREFIX, SteeringRequest

# A key can be spelled with JSON escapes; only \u004x-\u007x can stand for letters or "_".
_PLAIN = re.compile(rb"(?i:steer|\\u00[4567])")
# In forms extra arguments travel as JSON within text, where a name can be spelled with escapes.
_FORM = re.compile(
    rb'name="?' + FIELD.encode() + rb'"?[\s;]|' + PREFIX.encode() + rb"|\\u00[4567]", re.IGNORECASE
)
# In which ASCII reads as ASCII; by any other a form's names and values may be spelled at will.
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "latin-1", "iso-8859-1"})
# A model's name with a colon, or with an escape that may stand for one.
_COLON = re.compile(rb'"model"\s*:\s*"[^"]*[:\\]')
_ONCE = frozenset({FIELD, "vllm_xargs", *KEYS})


class Body:
    """The raw bytes of one request's body and the media type they came with.

    Parsing happens only where the bytes could hold steering, so that an unsteered request
    costs one scan and is passed on byte for byte.
    """

    def __init__(self, raw: bytes, media_type: str, charset: str = "") -> None:
        self.raw = raw
        self._media_type = media_type
        self._charset = charset

    @staticmethod
    def is_json(media_type: str) -> bool:
        """Whether vLLM may read a body of this media type as JSON."""
        return media_type in {"", "application/json"} or media_type.endswith("+json")

    def suspicious(self) -> bool:
        """False where the body certainly holds no steering."""
        if not self.is_json(self._media_type):
            return self._charset not in _CHARSETS or bool(_FORM.search(self.raw))
        # json.loads also reads UTF-16 and UTF-32, where the bytes look different.
        return bool(_PLAIN.search(self.raw)) or not json.detect_encoding(self.raw).startswith(
            "utf-8"
        )

    def names_colon(self) -> bool:
        """False where `model`, in a body that is not suspicious, certainly has no colon."""
        return self.is_json(self._media_type) and bool(_COLON.search(self.raw))

    def parse(self, *, strict: bool = False) -> Any:
        """The JSON value.

        Args:
            strict: refuse any key of the body that is there twice, not only steering's: what
                looks at others must see what vLLM will.

        Raises:
            PolicyError: it is not JSON, or is a form, or repeats a key whose last value would
                silently win.
        """
        if not self.is_json(self._media_type):
            if self._charset not in _CHARSETS:
                raise PolicyError(
                    f"a form in the charset {self._charset[:40]!r} is not read; send it in UTF-8",
                    param="content-type",
                    reason="malformed_body",
                )
            raise PolicyError(
                f"{FIELD} and vllm_xargs are taken from JSON bodies only, this one is "
                f"{self._media_type[:60]}",
                param=FIELD,
                reason="malformed_body",
            )
        repeated: set[str] = set()
        repeating: list[dict[str, Any]] = []

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            out = dict(pairs)
            if len(out) != len(pairs):
                keys = [key for key, _ in pairs]
                repeated.update(key for key in _ONCE & out.keys() if keys.count(key) > 1)
                repeating.append(out)
            return out

        try:
            value = json.loads(self.raw, object_pairs_hook=once)
        except (ValueError, RecursionError) as error:
            raise PolicyError(
                f"the body is not valid JSON: {str(error)[:200]}", reason="malformed_body"
            ) from error
        if strict and any(each is value for each in repeating):
            raise PolicyError(
                "the body has a key more than once; under a policy it may not",
                reason="malformed_body",
            )
        if repeated and (FIELD in repeated or (isinstance(value, dict) and value.get(FIELD))):
            raise PolicyError(
                f"the body has the key {min(repeated)} more than once",
                param=FIELD,
                reason="malformed_body",
            )
        wish = value.get(FIELD) if isinstance(value, dict) else None
        apart = wish.get(REASONING) if isinstance(wish, dict) else None
        for field, part in ((FIELD, wish), (f"{FIELD}.{REASONING}", apart)):
            away = part.get("suppress") if isinstance(part, dict) else None
            if any(each is away for each in repeating):
                raise PolicyError(
                    f"{field}.suppress has a language more than once",
                    param=f"{field}.suppress",
                    reason="malformed_body",
                )
        return value

    @staticmethod
    def rewritten(fields: Mapping[str, Any], request: SteeringRequest | None) -> bytes:
        """The body vLLM gets: without `steering`, the engine's arguments in `vllm_xargs`.

        Args:
            fields: the body as it was asked.
            request: what was decided; None where nothing is steered.
        """
        kept = {key: value for key, value in fields.items() if key != FIELD}
        if request is not None:
            kept["vllm_xargs"] = {**(kept.get("vllm_xargs") or {}), **request.to_extra_args()}
        return json.dumps(kept).encode()
