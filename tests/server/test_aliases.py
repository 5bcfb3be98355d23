from __future__ import annotations

import json
from typing import Any

import pytest

from server.aliases import Aliases
from server.catalog import Catalog
from server.errors import PolicyError
from server.shown_profile import summary
from steering.request import SteeringRequest

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
MODELS = ("m", "llama:8b", "m:fr")
FORMAL = "de-x-formal"


@pytest.fixture
def aliases() -> Aliases:
    return Aliases(lambda: MODELS, lambda: ("adapter:de", "m:pt"))


@pytest.fixture
def stack(ruled: Any) -> Any:
    return ruled(models=MODELS)


def refused(aliases: Aliases, catalog: Catalog, fields: Any, path: str = CHAT) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        aliases.read(fields, path, catalog)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize(
    ("model", "plain", "tag"),
    [
        ("m:de", "m", "de"),
        ("m:de-AT", "m", "de-AT"),
        ("m:DE", "m", "DE"),
        ("m:de-x-formal", "m", "de-x-formal"),
        ("llama:8b:ja", "llama:8b", "ja"),
        ("m:fr:ja", "m:fr", "ja"),
    ],
)
def test_an_alias_is_the_model_and_a_wish(
    aliases: Aliases, catalog: Catalog, model: str, plain: str, tag: str
) -> None:
    read = aliases.read({"model": model, "n": 2}, CHAT, catalog)
    assert read == {"model": plain, "n": 2, "steering": {"target": tag}}


@pytest.mark.parametrize(
    "model",
    [
        *("m", "llama:8b", "m:fr", "adapter:de", "m:pt"),  # what is served is no alias
        *("other:de", "adapter:de:ja", "llama:de", "M:de", ":de", "de", ""),
        *(None, 5, ["m:de"], {"m": "de"}),
    ],
)
def test_other_names_stay_as_they_are(aliases: Aliases, catalog: Catalog, model: Any) -> None:
    fields = {"model": model}
    assert aliases.read(fields, CHAT, catalog) is fields
    assert aliases.read(fields, "/v1/embeddings", catalog) is fields


@pytest.mark.parametrize("fields", [None, [], "m:de", {}])
def test_bodies_without_a_model_stay_as_they_are(
    aliases: Aliases, catalog: Catalog, fields: Any
) -> None:
    assert aliases.read(fields, CHAT, catalog) is fields


@pytest.mark.parametrize(
    ("wish", "combined"),
    [
        (None, {"target": "de"}),
        ({}, {"target": "de"}),
        ({"target": None, "strength": 2}, {"target": "de", "strength": 2}),
        ({"suppress": ["zh"], "phase": "decode"}, None),
        ({"target": "de-AT"}, {"target": "de-AT"}),
        ({"profile": FORMAL}, {"target": "de", "profile": FORMAL}),
    ],
)
def test_the_field_may_say_more(
    aliases: Aliases, catalog: Catalog, wish: Any, combined: Any
) -> None:
    read = aliases.read({"model": "m:de", "steering": wish}, CHAT, catalog)
    assert read["steering"] == (combined or {"target": "de", **wish})


@pytest.mark.parametrize(
    ("model", "wish", "reason", "words"),
    [
        ("m:nl", None, "unknown_language", "available are de, de-x-formal, en"),
        ("m:latest", None, "unknown_language", "available are de, de-x-formal, en"),
        ("m:", None, "unknown_language", "BCP 47"),
        ("m: de", None, "unknown_language", "BCP 47"),
        ("m:en", None, "missing_edit", "no edit for target"),
        ("m:nl", {"target": "de"}, "unknown_language", '"m:nl"'),
        ("m:de", {"target": "ja"}, "conflict", "send one of them"),
        ("m:de", {"target": FORMAL}, "conflict", "de-x-formal@"),
    ],
)
def test_languages_that_cannot_be(
    aliases: Aliases, catalog: Catalog, model: str, wish: Any, reason: str, words: str
) -> None:
    error = refused(aliases, catalog, {"model": model, "steering": wish})
    assert (error.param, error.reason) == ("model", reason)
    assert words in str(error)


def test_a_target_that_is_none_is_the_fields_error(aliases: Aliases, catalog: Catalog) -> None:
    error = refused(aliases, catalog, {"model": "m:de", "steering": {"target": "nl"}})
    assert error.param == "steering.target"


@pytest.mark.parametrize(
    "path",
    ["/v1/completions/render", "/v1/responses/render", "/v1/embeddings", f"{CHAT}/batch"],
)
def test_elsewhere_an_alias_is_refused(aliases: Aliases, catalog: Catalog, path: str) -> None:
    error = refused(aliases, catalog, {"model": "m:de"}, path)
    assert (error.param, error.reason) == ("model", "unsupported_path")
    assert 'send "m"' in str(error)


def test_the_list_has_an_alias_for_every_model_and_target(
    aliases: Aliases, catalog: Catalog
) -> None:
    own = {"object": "model", "owned_by": "vllm", "parent": None, "root": "/x"}
    listed = [{"id": name, **own} for name in (*MODELS, "adapter:de", "m:pt")]
    cards = aliases.cards(listed, catalog)
    # No "en", which can only be suppressed; and no name that is taken.
    tags = ["de", FORMAL, "fr", "ja", "pt", "zh"]
    expected = [(name, f"{name}:{tag}") for name in MODELS for tag in tags]
    taken = ("m", "m:fr"), ("m", "m:pt")
    assert [(card["parent"], card["id"]) for card in cards] == [
        each for each in expected if each not in taken
    ]
    assert cards[0] == {"id": "m:de", **own, "parent": "m"}
    assert aliases.cards(listed, Catalog()) == []


def test_a_profile_has_the_names_that_mean_it(aliases: Aliases, catalog: Catalog) -> None:
    shown = [summary(entry, pinned=False, aliases=aliases.of(entry)) for entry in catalog]
    assert {name for each in shown for name in each.aliases} == {
        card["id"] for card in aliases.cards([{"id": name} for name in MODELS], catalog)
    }
    assert all(alias.endswith(f":{each.name}") for each in shown for alias in each.aliases)


async def test_an_alias_steers(stack: Any, catalog: Catalog) -> None:
    body = {"model": "m:de-AT", "prompt": "a", "steering": {"suppress": ["zh"], "strength": 2}}
    answer = await stack.raw(json.dumps(body).encode())
    de, zh = catalog.get("de"), catalog.get("zh")
    assert de
    assert zh
    assert stack.upstream.steering == SteeringRequest(
        target=de.profile.content_hash, suppress=(zh.profile.content_hash,), strength=2.0
    )
    sent = json.loads(stack.upstream.body)
    assert sent.keys() == {"model", "prompt", "vllm_xargs"}
    assert sent["model"] == "m"
    assert stack.upstream.headers["content-length"] == str(len(stack.upstream.body))
    assert answer.headers["x-steering-profile"].startswith(f"{de.label}; suppress=")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model"\n:\t"m:de"}',
        b'{"prompt": "\\"model\\": \\"m\\"", "model": "m:de"}',
        b'{"mod\\u0065l": "m:de"}',
        b'{"model": "m\\u003Ade"}',
        b'{"model": "\\u006d\\u003a\\u0064e"}',
        b'{"x": {"model": "m"}, "model": "m:de"}',
        '{"model": "m:de"}'.encode("utf-16"),
        '{"model": "m:de"}'.encode("utf-8-sig"),
    ],
)
async def test_an_alias_in_any_spelling_json_allows(stack: Any, body: bytes) -> None:
    await stack.raw(body)
    assert stack.upstream.steering


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m",  "prompt":"a: b", "x": 1.10}',
        b'{"model":"llama:8b",  "x": 1.10}',
        b'{"model":"nobody:de",  "x": 1.10}',
        b'{"model":"m",  "x": {"model": "m:de"}}',
        b"",
        b"not json",
    ],
)
async def test_what_names_no_alias_passes_byte_for_byte(stack: Any, body: bytes) -> None:
    answer = await stack.raw(body)
    assert (answer.status_code, stack.upstream.body) == (200, body)
    assert "x-steering-profile" not in answer.headers


async def test_without_the_option_nothing_is_an_alias(ruled: Any) -> None:
    stack = ruled()
    body = b'{"model":"m:de",  "x": 1.10}'
    for path in (CHAT, "/tokenize", "/v1/embeddings"):
        assert (await stack.raw(body, path=path)).status_code == 200
        assert stack.upstream.body == body


async def test_the_header_must_agree(stack: Any) -> None:
    for header, status in (("de-AT", 200), ("ja", 400)):
        answer = await stack.raw(b'{"model": "m:de"}', JSON | {"X-Steering-Target": header})
        assert answer.status_code == status
    # With a model that is none, it steers as ever.
    answer = await stack.raw(b'{"model": "llama:8b"}', JSON | {"X-Steering-Target": "ja"})
    assert answer.headers["x-steering-profile"].startswith("ja@")


async def test_errors_are_counted_and_reach_nobody(stack: Any) -> None:
    for body, path in ((b'{"model": "m:nl"}', CHAT), (b'{"model": "m:de"}', "/v1/embeddings")):
        answer = await stack.raw(body, path=path)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    answer = await stack.raw(b'{"model": "m:de", "steering": "de"}')
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "steering")
    answer = await stack.raw(b'{"model": "m:de", "prompt": "' + b"x" * 5000 + b'"}')
    assert answer.status_code == 413
    assert stack.upstream.calls == 0
    assert stack.refusals("unknown_language") == stack.refusals("unsupported_path") == 1


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize", "/v1/messages/count_tokens"])
async def test_tokens_are_counted_under_an_alias(stack: Any, path: str) -> None:
    header = JSON | {"X-Steering-Target": "ja"}  # of a client that always sends it
    answer = await stack.raw(b'{"model": "m:de", "prompt": "a"}', header, path)
    assert json.loads(stack.upstream.body) == {"model": "m", "prompt": "a"}
    assert stack.upstream.headers["content-length"] == str(len(stack.upstream.body))
    assert "x-steering-profile" not in answer.headers
    for body in (b'{"model": "m:nl"}', b'{"model": "m:de", "steering": {"target": "de"}}'):
        assert (await stack.raw(body, JSON, path)).status_code == 400


POLICY = """
version: 1
defaults: {steer: false, target: [field], overrides: [target]}
rules:
  - {name: japanese, when: {model: m}, steer: true, target: [{language: ja}], overrides: []}
  - {name: open, when: {model: "llama:8b"}, steer: true, target: [field, {language: ja}]}
"""


async def test_under_a_policy_an_alias_is_the_clients_own_field(ruled: Any) -> None:
    stack = ruled(POLICY, models=MODELS)
    for model, rule, target in (
        ("m", "japanese", "ja@"),
        ("llama:8b", "open", "ja@"),
        ("llama:8b:de", "open", "de@"),
        ("m:fr:de", "defaults", "de@"),
    ):
        answer = await stack.raw(json.dumps({"model": model}).encode())
        assert answer.headers["x-steering-policy"] == rule
        assert answer.headers["x-steering-profile"].startswith(target)
        assert json.loads(stack.upstream.body)["model"] == model.removesuffix(":de")


@pytest.mark.parametrize(
    ("model", "path", "status", "rule"),
    [
        ("m:de", CHAT, 403, "japanese"),
        ("m:ja", CHAT, 403, "japanese"),
        ("llama:8b:nl", CHAT, 400, "-"),
        ("m:fr:de", f"{CHAT}/batch", 400, "japanese"),
    ],
)
async def test_an_alias_is_no_way_out_of_a_rule(
    ruled: Any, model: str, path: str, status: int, rule: str
) -> None:
    stack = ruled(POLICY, models=MODELS)
    answer = await stack.raw(json.dumps({"model": model}).encode(), path=path)
    assert (answer.status_code, answer.headers["x-steering-policy"]) == (status, rule)
    assert stack.upstream.calls == 0


async def test_where_a_rule_exempts_a_route_an_alias_is_refused_still(ruled: Any) -> None:
    stack = ruled("version: 1\ndefaults: {steer: false}", models=MODELS)
    answer = await stack.raw(b'{"model": "m:de"}', path=f"{CHAT}/batch")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert answer.headers["x-steering-policy"] == "defaults"
    assert stack.upstream.calls == 0


async def test_an_exempt_request_without_an_alias_passes_byte_for_byte(ruled: Any) -> None:
    stack = ruled(POLICY, models=MODELS)
    body = b'{"model":"m:fr",  "x": 1.10}'
    answer = await stack.raw(body)
    assert (answer.headers["x-steering-profile"], stack.upstream.body) == (
        "none; reason=exempt",
        body,
    )
