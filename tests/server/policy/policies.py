"""Random policies and random requests, many of which fit together."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from server.keyring import hash_key
from server.policy.asked import Asked
from server.policy.book import Book
from server.policy.load import load
from server.yamlfile.problem import FileError

_SOURCES = ["field", "header", "accept-language", "locale", "detect"]
TAGS = ["de", "de-x-formal", "ja", "pt", "pt-BR", "zh", "zh-Hant", "fr", "en", "nl"]
_OVERRIDES = ["target", "suppress", "strength", "phase", "profile", "reasoning"]
_ROUTES = [
    *("/v1/completions", "/v1/chat/completions", "/v1/chat/completions", "/v1/responses"),
    *("/v1/messages", "/v1/completions"),
    "/v1/chat/completions/batch",
]
_TEXTS = ["hm", "Wie backe ich am besten einen Kuchen?", "今天天气很好，我们去哪里玩呢？", "\ud800"]

_tags = st.sampled_from(TAGS)
_sources = st.lists(
    st.sampled_from(_SOURCES) | st.fixed_dictionaries({"language": _tags}),
    max_size=4,
    unique_by=str,
)
_factors = st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0])
_ranges = st.sampled_from(
    [{}, {"max": 2.0}, {"min": 0.5}, {"default": 2.0, "min": 0.5, "max": 2.0}, {"default": 0.25}]
)
_overrides = st.just(_OVERRIDES) | st.lists(st.sampled_from(_OVERRIDES), unique=True)
_reasonings = st.sampled_from(["answer", "off"]) | st.fixed_dictionaries(
    {"target": _tags},
    optional={"suppress": st.lists(_tags, max_size=2, unique=True), "strength": _factors},
)
_blocks = st.fixed_dictionaries(
    {},
    optional={
        "steer": st.sampled_from([True, True, True, False]),
        "target": _sources,
        "suppress": st.lists(_tags, max_size=3, unique=True)
        | st.dictionaries(_tags, _factors, max_size=3),
        "deny": st.sampled_from([[], [], ["de"], ["zh"], ["de-x-formal", "pt"]]),
        "strength": _ranges,
        "phase": st.sampled_from(["all", "decode"]),
        "reasoning": _reasonings,
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
def _terms(draw: st.DrawFn) -> dict[str, Any]:
    """A block that most often loads."""
    block: dict[str, Any] = draw(_blocks)
    block["overrides"] = draw(_overrides)
    sources = block.setdefault("target", draw(_sources))
    if draw(st.booleans()):
        fixed = {"language": draw(st.sampled_from(["de", "ja", "pt"]))}
        sources = [*(each for each in sources if each != fixed), fixed]
    if block.get("reasoning", "answer") != "answer":
        block["phase"] = "decode"
    if "target" not in block["overrides"]:
        sources = [each for each in sources if each not in ("field", "header")]
    denied = [each.partition("-")[0] for each in block.get("deny", [])]
    block["target"] = [
        each
        for each in sources
        if isinstance(each, str) or each["language"].partition("-")[0] not in denied
    ] or ["accept-language"]
    return block


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Policies that load; of one that does not, rules are left out until it does."""
    rules = [
        {"name": f"r{i}", "when": draw(_when), **draw(_terms())}
        for i in range(draw(st.integers(0, 3)))
    ]
    document = {
        "version": 1,
        "tenants": {"acme": [hash_key("a")], "beta": [hash_key("b")]},
        "defaults": draw(_terms()),
    }
    while True:
        try:
            return load(json.dumps({**document, "rules": rules}).encode())
        except FileError:
            if not rules:
                document["defaults"] = {"target": ["detect", {"language": "ja"}], "deny": ["de"]}
            rules = rules[:-1]


_loose = st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=4)
_wish = {
    "target": _tags,
    "suppress": st.lists(_tags, max_size=2) | st.dictionaries(_tags, _factors, max_size=2),
    "strength": _factors,
    "phase": st.sampled_from(["all", "decode"]),
    "profile": _tags,
    "reasoning": _reasonings,
}
# Mostly of one key, so that what one rule forbids is not hidden behind another.
_wishes = st.one_of(
    *(st.fixed_dictionaries({key: values}) for key, values in _wish.items()),
    st.fixed_dictionaries({}, optional=_wish),
)
_fields = st.fixed_dictionaries(
    {"steering": st.none() | _wishes | _wishes},
    optional={
        "model": st.sampled_from(["m", "n", "mm", ""]),
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.just("user"), "content": st.sampled_from(_TEXTS)}),
            max_size=2,
        ),
        "user": st.sampled_from(["locale=de", "locale=zh-TW"]),
    },
)
# What no client should send, put over what it may.
_mischief = st.fixed_dictionaries(
    {},
    optional={
        "model": _loose,
        "steering": _loose
        | st.fixed_dictionaries(
            {"strength": st.floats() | _loose, "target": _loose | st.lists(_tags, max_size=1)},
            optional={"suppress": st.dictionaries(_tags, _loose) | _loose, "other": st.just(1)},
        ),
        "prompt": st.sampled_from(_TEXTS) | _loose,
        "messages": st.lists(_loose, max_size=2) | _loose,
        "metadata": st.fixed_dictionaries({"locale": _tags | _loose}) | _loose,
        "use_beam_search": st.booleans(),
        "vllm_xargs": st.sampled_from([{}, {"a": 1}, {"langsteer_target": "x"}]) | _loose,
        "Steering": _loose,
    },
)


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Requests, one in four of them such as no client should send."""
    wild = draw(st.integers(0, 3)) == 3
    body: Any = draw(_fields)
    if wild:
        body = {**body, **draw(_mischief)} if draw(st.booleans()) else draw(_loose)
    languages = draw(st.lists(_tags | st.text(max_size=5) if wild else _tags, max_size=2))
    return Asked(
        route=draw(st.sampled_from(_ROUTES)),
        tenants=draw(st.frozensets(st.sampled_from(["acme", "beta"]), max_size=1 + wild)),
        target_header=(draw(_tags),) if draw(st.integers(0, 5)) == 5 else (),
        accept_language=(", ".join(languages),) if languages else (),
        body=body,
    )
