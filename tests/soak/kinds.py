"""What the soak's clients ask for, and the rules that they meet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROMPTS = (
    "The kitchen window was still open when",
    "In the harbour they were unloading the last",
    "Nobody had told the new teacher that",
    "Seven years after the bridge was built,",
)
ACME, OPERATOR, OTHERS = "key-of-acme", "key-of-an-operator", "key-of-the-others"


@dataclass(frozen=True)
class Kind:
    """One way to ask.

    Attributes:
        name: as the report calls it.
        key: API key.
        steering: of the body; None to ask for nothing.
        languages: the profiles that decide about the answer.
        by_policy: whether the policy's strength decides about it.
    """

    name: str
    key: str
    steering: Mapping[str, Any] | None
    languages: tuple[str, ...]
    by_policy: bool = False

    def body(self, prompt: str, tokens: int) -> dict[str, Any]:
        """A request for a completion, greedy and of a fixed length."""
        fields: dict[str, Any] = {
            "model": "demo",
            "prompt": prompt,
            "max_tokens": tokens,
            "temperature": 0,
            "ignore_eos": True,
        }
        if self.steering is not None:
            fields["steering"] = dict(self.steering)
        return fields


KINDS = (
    Kind("unsteered", OTHERS, None, ()),
    Kind("target de", OTHERS, {"target": "de"}, ("de",)),
    Kind("target ja, decode", OTHERS, {"target": "ja", "phase": "decode"}, ("ja",)),
    Kind("suppress zh", OTHERS, {"suppress": ["zh"], "strength": 0.5}, ("zh",)),
    Kind("target ko", OTHERS, {"target": "ko"}, ("ko",)),
    Kind("tenant", ACME, None, ("ja", "zh"), by_policy=True),
)
# Kinds of profiles, see tests/e2e/conftest.py: of de and ja there are two versions.
PROFILES = {"de": "n", "ja": "o", "zh": "nom", "ko": "no"}
CHANGING = ("de", "ja")
COMES_AND_GOES = "ko"


STRENGTHS = (1.0, 0.75)


def policy(version: int) -> str:
    """One of the policy's two versions, which differ in the tenant's strength."""
    return f"""
version: 1
defaults:
  target: [field]
  missing: unsteered
  strength: {{min: 0.25}}
  overrides: [target, suppress, strength, phase, profile]
tenants:
  acme: ["{hashed(ACME)}"]
rules:
  - name: acme
    when: {{tenant: acme}}
    target: [{{language: ja}}]
    suppress: [zh]
    strength: {{default: {STRENGTHS[version]}}}
    overrides: []
"""


def access() -> str:
    """The access file."""
    return f"""
keys:
  - {{name: acme, hashes: ["{hashed(ACME)}"]}}
  - {{name: others, hashes: ["{hashed(OTHERS)}"]}}
  - {{name: operators, hashes: ["{hashed(OPERATOR)}"], admin: true}}
"""


def hashed(key: str) -> str:
    """As policy and access files have keys."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
