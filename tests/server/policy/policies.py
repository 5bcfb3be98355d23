"""Random policies and random requests, many of which fit together."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from server.policy.asked import Asked
from server.policy.book import Book
from server.policy.load import load
from server.policy.problem import PolicyFileError
from server.policy.tenants import hash_key

_SOURCES = ["field", "header", "accept-language", "locale", "detect"]
TAGS = ["de", "de-x-formal", "ja", "pt", "pt-BR", "zh", "zh-Hant", "fr", "en", "nl"]
_OVERRIDES = ["target", "suppress", "strength", "phase", "profile"]
_ROUTES = [
    *("/v1/completions", "/v1/chat/completions", "/v1/responses", "/v1/messages"),
    *("/v1/chat/completions/batch", "/v1/audio/transcriptions", "/invocations"),
]
_TEXTS = ["hm", "Wie backe ich am besten einen Kuchen?", "今天天气很好，我们去哪里玩呢？", "\ud800"]

_tags = st.sampled_from(TAGS)
_sources = st.lists(
    st.sampled_from(_SOURCES) | st.fixed_dictionaries({"language": _tags}),
    max_size=4,
    unique_by=str,
)
_factors = st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0])
_block = st.fixed_dictionaries(
    {},
    optional={
        "steer": st.booleans(),
        "target": _sources,
        "suppress": st.lists(_tags, max_size=3, unique=True)
        | st.dictionaries(_tags, _factors, max_size=3),
        "deny": st.lists(_tags, max_size=2, unique=True),
        "strength": st.dictionaries(st.sampled_from(["default", "min", "max"]), _factors),
        "phase": st.sampled_from(["all", "decode"]),
        "overrides": st.lists(st.sampled_from(_OVERRIDES), unique=True),
        "missing": st.sampled_from(["refuse", "unsteered"]),
    },
)
_when = st.fixed_dictionaries(
    {},
    optional={
        "tenant": st.sampled_from(["acme", "beta"]),
        "model": st.sampled_from(["m", "n", "m*"]),
        "route": st.sampled_from(["/v1/completions", "/v1/*", "/v1/chat/*"]),
    },
)


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Policies that load; one that does not is replaced by one that only steers."""
    rules = [
        {"name": f"r{i}", "when": draw(_when), **draw(_block)}
        for i in range(draw(st.integers(0, 3)))
    ]
    document = {
        "version": 1,
        "tenants": {"acme": [hash_key("a")], "beta": [hash_key("b")]},
        "defaults": draw(_block),
        "rules": rules,
    }
    while True:
        try:
            return load(json.dumps(document).encode())
        except PolicyFileError:
            if document["rules"]:
                document["rules"] = rules = rules[:-1]
            else:
                document["defaults"] = {"target": ["detect", {"language": "ja"}], "deny": ["de"]}


_loose = st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=4)
_wishes = _loose | st.fixed_dictionaries(
    {},
    optional={
        "target": _tags | _loose,
        "suppress": st.lists(_tags, max_size=3)
        | st.dictionaries(_tags, _factors | _loose)
        | _loose,
        "strength": _factors | st.floats() | _loose,
        "phase": st.sampled_from(["all", "decode"]) | _loose,
        "profile": _tags | _loose,
        "other": st.just(1),
    },
)
_fields = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["m", "n", "mm", ""]) | _loose,
        "steering": _wishes,
        "prompt": st.sampled_from(_TEXTS) | _loose,
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.just("user"), "content": st.sampled_from(_TEXTS)})
            | _loose,
            max_size=2,
        ),
        "user": st.sampled_from(["locale=de", "locale=zh-TW"]) | _loose,
        "metadata": st.fixed_dictionaries({"locale": _tags | _loose}) | _loose,
        "use_beam_search": st.booleans(),
        "vllm_xargs": st.sampled_from([{}, {"a": 1}, {"langsteer_target": "x"}]) | _loose,
        "Steering": _loose,
    },
)


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Requests, also such as no client should send."""
    body: Any = draw(_fields if draw(st.integers(0, 9)) else _loose)
    languages = draw(st.lists(_tags | st.text(max_size=5), max_size=3))
    return Asked(
        route=draw(st.sampled_from(_ROUTES)),
        tenants=draw(st.frozensets(st.sampled_from(["acme", "beta"]))),
        target_header=tuple(draw(st.lists(_tags | st.text(max_size=3), max_size=1))),
        accept_language=(", ".join(languages),) if languages else (),
        body=body,
    )
