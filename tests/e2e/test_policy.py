"""A policy in force on a real server: rules by key, escapes, websockets, reloading by signal."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from profiles.profile import Profile
from tests.e2e.prometheus import MONITORING, ask, watching
from tests.e2e.running import PROMPT, Running, serving

pytestmark = pytest.mark.e2e

ACME, BATCH, OPERATOR = "key-of-acme", "key-of-batch", "key-of-an-operator"
STRICT = "key-of-strict"
NARROW = "key-of-one-with-a-limit"
TENANTS = {"acme": ACME, "batch": BATCH, "strict": STRICT}


def policy(fallback: str) -> str:
    keys = {name: hashed(key) for name, key in TENANTS.items()}
    return f"""
version: 1
defaults:
  target: [field, accept-language, detect, {{language: {fallback}}}]
  overrides: [target]
tenants:
  acme: ["{keys["acme"]}"]
  batch: ["{keys["batch"]}"]
  strict: ["{keys["strict"]}"]
rules:
  - name: acme
    when: {{tenant: acme}}
    target: [{{language: ja}}]
    suppress: [zh]
    overrides: []
  - {{name: batch, when: {{tenant: batch}}, steer: false}}
  - name: strict
    when: {{tenant: strict}}
    target: [{{language: ja}}]
    strength: {{max: 2}}
    overrides: []
    enforce: {{strengths: [1.2, 1.4]}}
"""


def access() -> str:
    keys = [f"  - {{name: {name}, hashes: ['{hashed(key)}']}}" for name, key in TENANTS.items()]
    return "\n".join(
        [
            "keys:",
            *keys,
            f"  - {{name: operators, hashes: ['{hashed(OPERATOR)}'], admin: true}}",
            f"  - {{name: narrow, hashes: ['{hashed(NARROW)}'], limits: {{concurrent: 1}}}}",
            "server: {max_headers_kb: 16}",
        ]
    )


def hashed(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


@pytest.fixture(scope="module")
def server(profile_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("policy")
    (folder / "policy.yaml").write_text(policy("de"))
    (folder / "access.yaml").write_text(access())
    more = ["--policy", str(folder / "policy.yaml"), "--monitor-log", str(folder / "answers")]
    more += ["--access", str(folder / "access.yaml"), "--max-strength", "2"]
    with serving(profile_folder, folder, *more) as running:
        yield running


def complete(
    server: Running,
    key: str,
    headers: dict[str, str] | None = None,
    tokens: int = 8,
    **body: Any,
) -> Any:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as client:
        return client.completions.with_raw_response.create(
            model="demo",
            prompt=PROMPT,
            max_tokens=tokens,
            temperature=0,
            extra_headers=headers,
            extra_body=body,
        )


def applied(answer: Any) -> tuple[str, str]:
    """(the rule, the target that was applied)."""
    profile = answer.headers["x-steering-profile"]
    return answer.headers["x-steering-policy"], profile.partition("@")[0]


def text(answer: Any) -> str:
    found: str = answer.parse().choices[0].text
    return found


def test_who_asks_for_nothing_is_steered_as_the_rule_says(server: Running) -> None:
    plain, asked = complete(server, OPERATOR), complete(server, OPERATOR, steering={"target": "de"})
    assert applied(plain) == applied(asked) == ("defaults", "de")
    japanese = complete(server, OPERATOR, {"Accept-Language": "ja-JP, en;q=0.5"})
    assert applied(japanese) == ("defaults", "ja")
    untouched = complete(server, BATCH)
    assert applied(untouched) == ("batch", "none; reason=exempt")
    assert text(plain) == text(asked) != text(untouched)
    assert text(japanese) not in {text(plain), text(untouched)}


def test_a_tenant_gets_its_language_and_no_other(
    server: Running, profiles: dict[str, Profile]
) -> None:
    answer = complete(server, ACME)
    assert applied(answer) == ("acme", "ja")
    assert f'suppress="zh@{profiles["zh"].version}"' in answer.headers["x-steering-profile"]
    for key, headers, body in [
        (ACME, None, {"steering": {"target": "de"}}),
        (ACME, {"X-Steering-Target": "de"}, {}),
        (ACME, None, {"steering": {"target": "ja", "strength": 0.01}}),
        (BATCH, {"X-Api-Key": ACME}, {}),
        (OPERATOR, {"X-Api-Key": ACME}, {}),  # the operator's key opens no way out
    ]:
        with pytest.raises(openai.APIStatusError) as refused:
            complete(server, key, headers, **body)
        assert refused.value.status_code in {400, 403}


def test_a_stream_is_steered_alike(server: Running) -> None:
    body = {"model": "demo", "prompt": PROMPT, "max_tokens": 8, "temperature": 0, "stream": True}
    headers = {"Authorization": f"Bearer {ACME}"}
    url = f"{server.url}/v1/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=120) as stream:
        assert applied(stream) == ("acme", "ja")
        chunks = [line for line in stream.iter_lines() if line.startswith("data: {")]
    parts = [httpx.Response(200, text=chunk[6:]).json()["choices"] for chunk in chunks]
    assert "".join(choices[0]["text"] for choices in parts if choices) == text(
        complete(server, ACME)
    )


def test_answers_are_judged_logged_and_asked_for_again(server: Running) -> None:
    """The profile is of random numbers: whatever it makes the model write, Japanese it is not."""
    answer = complete(server, STRICT, tokens=48)
    assert applied(answer) == ("strict", "ja")
    assert answer.headers["x-steering-verdict"] == "miss"
    assert answer.headers["x-steering-attempts"] == "3"
    labels = {"wanted": "ja", "verdict": "miss", "policy": "strict", "part": "answer"}
    deadline = time.monotonic() + 30
    while not server.metric("langsteer_answers_total", **labels):
        assert time.monotonic() < deadline, httpx.get(f"{server.url}/metrics").text
        time.sleep(0.2)
    assert server.metric("langsteer_answers_total", **labels) == 1  # what was sent, no attempt
    assert server.metric("langsteer_enforced_requests_total", policy="strict") == 1
    logged = [json.loads(line) for line in (server.folder / "answers").read_text().splitlines()]
    (line,) = [line for line in logged if line["policy"] == "strict"]
    assert (line["tenant"], line["verdict"], line["route"]) == (
        "strict",
        "miss",
        "/v1/completions",
    )
    assert "text" not in line


def test_what_cannot_be_steered_is_not_served(server: Running) -> None:
    headers = {"Authorization": f"Bearer {ACME}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as http:
        for path in ("/v1/chat/completions/batch", "/inference/v1/generate", "/invocations"):
            refused = http.post(path, json={"model": "demo", "prompt": PROMPT})
            assert refused.status_code == 400, path
            assert refused.headers["x-steering-policy"] == "acme"
        counted = http.post("/tokenize", json={"model": "demo", "prompt": PROMPT})
        assert counted.status_code == 200
        assert http.get("/v1/models").status_code == 200
    with pytest.raises(InvalidStatus) as denied:
        connect(
            f"{server.url.replace('http', 'ws')}/v1/realtime?model=demo", additional_headers=headers
        )
    assert denied.value.response.headers["x-steering-policy"] == "acme"


def test_a_hangup_reloads_and_a_bad_file_changes_nothing(server: Running) -> None:
    file = server.folder / "policy.yaml"

    def hang_up(content: str, result: str) -> None:
        labels = {"result": result}
        before = server.metric("langsteer_policy_reloads_total", **labels)
        file.write_text(content)
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while server.metric("langsteer_policy_reloads_total", **labels) == before:
            assert time.monotonic() < deadline, server.log.read_text()[-2000:]
            time.sleep(0.2)

    hang_up("version: 1\nrules: nonsense\n", "invalid")
    assert applied(complete(server, OPERATOR)) == ("defaults", "de")
    assert applied(complete(server, ACME)) == ("acme", "ja")
    hang_up(policy("ja"), "ok")
    assert applied(complete(server, OPERATOR)) == ("defaults", "ja")
    hang_up(policy("de"), "ok")


def test_operators_see_and_reload_it_and_tenants_do_not(server: Running) -> None:
    url = f"{server.url}/v1/steering/policy"

    def ask(method: str, url: str, key: str) -> httpx.Response:
        return httpx.request(method, url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    shown = ask("GET", url, OPERATOR).json()
    assert [rule["name"] for rule in shown["policy"]["rules"]] == ["acme", "batch", "strict"]
    assert hashlib.sha256(ACME.encode()).hexdigest() not in str(shown)
    (server.folder / "policy.yaml").write_text("version: 2\n")
    refused = ask("POST", f"{url}/reload", OPERATOR)
    assert (refused.status_code, refused.json()["problems"][0]["place"]) == (422, "version")
    (server.folder / "policy.yaml").write_text(policy("de"))
    assert ask("POST", f"{url}/reload", OPERATOR).json()["digest"] == shown["digest"]
    for method, path in (("GET", ""), ("POST", "/reload")):
        assert ask(method, url + path, ACME).status_code == 403
    assert ask("GET", url, "unknown").status_code == 401


def test_a_dry_run_says_what_the_real_request_then_meets(server: Running) -> None:
    cases: list[tuple[str, dict[str, str], dict[str, Any]]] = [
        (OPERATOR, {}, {}),
        (OPERATOR, {"Accept-Language": "ja"}, {"max_tokens": 2}),
        (OPERATOR, {}, {"steering": {"target": "xx"}}),
        (ACME, {}, {}),
        (ACME, {}, {"steering": {"target": "de"}}),
        (BATCH, {}, {}),
        (STRICT, {}, {}),
        (STRICT, {}, {"steering": {"strength": 2.5}}),
    ]
    url = f"{server.url}/v1/steering/policy/explain"
    told_of = set()
    with httpx.Client(timeout=120) as http:
        for key, headers, more in cases:
            body = {"model": "demo", "prompt": PROMPT, "max_tokens": 8} | more
            sent = headers | {"Authorization": f"Bearer {key}"}
            told = http.post(
                url,
                json={"route": "/v1/completions", "headers": sent, "body": body},
                headers={"Authorization": f"Bearer {OPERATOR}"},
            ).json()
            real = http.post(f"{server.url}/v1/completions", json=body, headers=sent)
            assert (told["status"] or 200) == real.status_code, (told, real.text)
            for name, value in told["headers"].items():
                assert real.headers[name] == value, (told, dict(real.headers))
            told_of.add((told["result"], told["rule"]))
    assert told_of >= {
        ("steered", "defaults"),
        ("refused", "defaults"),
        ("steered", "acme"),
        ("refused", "acme"),
        ("exempt", "batch"),
        ("steered", "strict"),
        ("refused", "strict"),
    }


def test_without_a_key_nothing_but_health_is_answered(server: Running) -> None:
    for path in "/v1/chat/completions", "/tokenize", "/invocations":
        refused = httpx.post(f"{server.url}{path}", json={"model": "demo"}, timeout=60)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert httpx.get(f"{server.url}/v1/models", timeout=60).status_code == 401
    assert httpx.get(f"{server.url}/health", timeout=60).status_code == 200
    assert httpx.get(f"{server.url}/metrics", timeout=60).status_code == 200
    for probe in "live", "ready":
        url = f"{server.url}/steering/health/{probe}"
        assert httpx.get(url, timeout=60).status_code == 200
    with pytest.raises(openai.AuthenticationError):
        complete(server, "nobody's")
    long = {"X-Long": "x" * 17_000, "Authorization": f"Bearer {ACME}"}
    assert httpx.get(f"{server.url}/v1/models", headers=long, timeout=60).status_code == 431


def test_a_key_with_a_place_for_one_has_it_back_when_its_client_vanishes(server: Running) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=NARROW, max_retries=0) as client:
        stream = client.completions.create(
            model="demo",
            prompt=PROMPT,
            max_tokens=400,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        next(iter(stream))
        with pytest.raises(openai.RateLimitError):
            complete(server, NARROW)
        stream.close()
    deadline = time.monotonic() + 30
    while True:
        try:
            complete(server, NARROW)
            break
        except openai.RateLimitError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_real_prometheus_finds_what_the_dashboard_asks_for(
    server: Running, tmp_path: Path
) -> None:
    """The last of the tests that use this server, so that there is something to count."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    panels = runpy.run_path(str(MONITORING / "panels.py"))
    queries = {
        expr.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")
        for _, graphs in panels["ROWS"]
        for graph in graphs
        for expr, _ in graph.queries
    }
    # What did not happen has no series: no stream slipped, and nothing was lost.
    quiet = {expr for expr in queries if re.search("slips|dropped", expr)}
    with watching(server.url.removeprefix("http://"), tmp_path) as prometheus:
        deadline, empty = time.monotonic() + 120, queries - quiet
        while empty:
            assert time.monotonic() < deadline, empty
            complete(server, STRICT, tokens=48)
            complete(server, ACME)  # which is kept out of Chinese
            with pytest.raises(openai.BadRequestError):
                complete(server, OPERATOR, steering={"target": "xx"})
            empty = {expr for expr in empty if not ask(prometheus, expr)}
        for expr in quiet:
            ask(prometheus, expr)  # understood, at least
        firing = ask(prometheus, 'ALERTS{alertstate="firing"}')
        # The tests before sent a policy and an access file that were refused.
        assert {alert["metric"]["alertname"] for alert in firing} <= {"LangsteerFileNotTaken"}
