"""The whole product: `langsteer serve` on a real model, through HTTP and the openai client."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from profiles import store
from profiles.profile import ModelIdentity, Profile
from tests.e2e.conftest import synthetic
from tests.e2e.running import (
    PROMPT,
    Running,
    bad_files,
    command,
    environment,
    free_port,
    random_asks,
    serving,
    start,
    stop,
)

pytestmark = pytest.mark.e2e

STRUCTURED = {"backend": "xgrammar", "disable_any_whitespace": True}


@pytest.fixture(scope="module")
def server(profile_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    for file in profile_folder.glob("*.safetensors"):
        shutil.copy(file, folder)
    # Random edits would write blanks for ever, which JSON allows.
    more = ["--structured-outputs-config", json.dumps(STRUCTURED)]
    more += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    with serving(folder, tmp_path_factory.mktemp("log"), *more) as running:
        yield dataclasses.replace(running, folder=folder)


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[openai.OpenAI]:
    with server.client() as client:
        yield client


def complete(client: openai.OpenAI, steering: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    extra = {"extra_body": {"steering": steering}} if steering is not None else {}
    return client.completions.with_raw_response.create(
        **{
            "model": "demo",
            "prompt": PROMPT,
            "max_tokens": 12,
            "temperature": 0,
            "logprobs": 1,
            **kwargs,
            **extra,
        }
    )


def test_a_completion_is_steered_and_says_so(client: openai.OpenAI, profiles) -> None:
    plain, steered = complete(client), complete(client, {"target": "de"})
    assert plain.parse().choices[0].text != steered.parse().choices[0].text
    assert "x-steering-profile" not in plain.headers
    assert f"de@{profiles['de'].version}" in steered.headers["x-steering-profile"]


def test_unsteered_answers_do_not_change_with_steered_traffic(client: openai.OpenAI) -> None:
    before = complete(client).parse().choices[0]
    complete(client, {"target": "ja", "strength": 2.0})
    after = complete(client).parse().choices[0]
    assert before.text == after.text
    assert before.logprobs.token_logprobs == pytest.approx(after.logprobs.token_logprobs, abs=1e-3)


def test_the_header_does_what_the_field_does(client: openai.OpenAI) -> None:
    by_field = complete(client, {"target": "zh"})
    by_header = complete(client, extra_headers={"X-Steering-Target": "zh-Hans-CN"})
    assert by_field.parse().choices[0].text == by_header.parse().choices[0].text
    assert by_field.headers["x-steering-profile"] == by_header.headers["x-steering-profile"]


@pytest.mark.parametrize("phase", ["all", "decode"])
def test_streaming_gives_the_same_text(client: openai.OpenAI, phase: str) -> None:
    steering = {"target": "de", "phase": phase}
    whole = complete(client, steering).parse().choices[0].text
    stream = client.completions.create(
        model="demo",
        prompt=PROMPT,
        max_tokens=12,
        temperature=0,
        stream=True,
        extra_body={"steering": steering},
    )
    assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices) == whole


def test_chat_completions_and_responses_are_steered(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "Why is the sky blue?"}]
    common: dict[str, Any] = {"model": "demo", "temperature": 0}
    steer = {"extra_body": {"steering": {"target": "de"}}}

    def chat(**kwargs: Any) -> str:
        answer = client.chat.completions.create(
            messages=messages, max_tokens=12, **common, **kwargs
        )
        return answer.choices[0].message.content or ""

    def respond(**kwargs: Any) -> str:
        return client.responses.create(
            input="Why is the sky blue?", max_output_tokens=12, **common, **kwargs
        ).output_text

    assert chat() != chat(**steer)
    assert respond() != respond(**steer)


def test_a_schema_holds_under_steering(client: openai.OpenAI) -> None:
    schema: Any = {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Bonn"]}, "hours": {"enum": [12, 24]}},
        "required": ["city", "hours"],
        "additionalProperties": False,
    }
    ask: Any = {
        "model": "demo",
        "messages": [{"role": "user", "content": "What is the weather in Bonn?"}],
        "max_tokens": 40,
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "w", "schema": schema}},
        "extra_body": {"steering": {"target": "de"}},
    }
    whole = client.chat.completions.create(**ask).choices[0].message.content or ""
    assert json.loads(whole).keys() == {"city", "hours"}
    with client.chat.completions.create(**ask, stream=True) as stream:
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == whole


@pytest.mark.parametrize("choice", ["required", "named"])
def test_tool_calls_hold_under_steering(client: openai.OpenAI, choice: str) -> None:
    parameters = {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Bonn"]}, "hours": {"enum": [12, 24]}},
        "required": ["city", "hours"],
        "additionalProperties": False,
    }
    # Strict: its grammar is enforced, which a model that was never taught tools needs.
    function = {"name": "forecast", "strict": True, "parameters": parameters}
    named = {"type": "function", "function": {"name": "forecast"}}
    ask: Any = {
        "model": "demo",
        "messages": [{"role": "user", "content": "What is the weather in Bonn?"}],
        "max_tokens": 128,
        "temperature": 0,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": choice if choice == "required" else named,
        "parallel_tool_calls": False,
        # Blanks are allowed between a call's tokens, and a stronger random edit writes no others.
        "extra_body": {"steering": {"target": "de", "strength": 0.1}},
    }
    message = client.chat.completions.create(**ask).choices[0].message
    (call,) = message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "forecast"
    assert json.loads(call.function.arguments).keys() == {"city", "hours"}
    names, pieces = [], []
    with client.chat.completions.create(**ask, stream=True) as stream:
        for chunk in stream:
            for delta in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
                assert delta.function
                names.append(delta.function.name or "")
                pieces.append(delta.function.arguments or "")
    assert "".join(names) == "forecast"
    assert json.loads("".join(pieces)) == json.loads(call.function.arguments)


def test_target_and_suppress_in_one_request(client: openai.OpenAI) -> None:
    both = complete(client, {"target": "de", "suppress": ["zh", "ja"], "strength": 0.5})
    only = complete(client, {"target": "de", "strength": 0.5})
    assert both.parse().choices[0].text != only.parse().choices[0].text
    assert "zh@" in both.headers["x-steering-profile"]
    apart = complete(client, {"target": "de", "suppress": {"zh": 2, "ja": 0.5}, "strength": 0.5})
    assert apart.parse().choices[0].text != both.parse().choices[0].text
    assert ":2" in apart.headers["x-steering-profile"]


def test_every_one_of_several_answers_is_steered(client: openai.OpenAI) -> None:
    one = complete(client, {"target": "de"}).parse().choices[0].text
    # As good as greedy, which vLLM has only one answer for.
    several = complete(client, {"target": "de"}, n=3, temperature=1e-3).parse().choices
    assert [choice.text for choice in several] == [one] * 3
    both = complete(client, {"target": "de"}, prompt=[PROMPT, f"{PROMPT} the"]).parse().choices
    assert both[0].text == one
    plain = complete(client, prompt=f"{PROMPT} the").parse().choices[0].text
    assert both[1].text != plain


def test_prompt_logprobs_show_where_steering_begins(client: openai.OpenAI) -> None:
    def of_prompt(steering: dict[str, Any] | None) -> list[float]:
        extra = {"prompt_logprobs": 0} | ({"steering": steering} if steering else {})
        answer = client.completions.create(
            model="demo", prompt=PROMPT, max_tokens=1, temperature=0, extra_body=extra
        )
        steps: Any = answer.choices[0].model_extra["prompt_logprobs"]  # type: ignore[index]
        return [next(iter(step.values()))["logprob"] for step in steps[1:]]

    plain = of_prompt(None)
    assert of_prompt({"target": "de", "phase": "decode"}) == pytest.approx(plain, abs=1e-4)
    steered = of_prompt({"target": "de"})
    assert max(abs(a - b) for a, b in zip(plain, steered, strict=True)) > 0.1


def test_structured_output_and_stop_strings_hold_under_steering(client: openai.OpenAI) -> None:
    choices = ["shut", "open", "offen", "geschlossen"]
    picked = complete(
        client,
        extra_body={"steering": {"target": "de"}, "structured_outputs": {"choice": choices}},
        logprobs=None,
    ).parse()
    assert picked.choices[0].text in choices
    whole = complete(client, {"target": "de"}, max_tokens=24).parse().choices[0]
    stop = whole.text[len(whole.text) // 2 :][:3]
    cut = complete(client, {"target": "de"}, max_tokens=24, stop=[stop]).parse().choices[0]
    assert (cut.finish_reason, cut.text) == ("stop", whole.text[: whole.text.index(stop)])


@pytest.mark.parametrize(
    ("steering", "param", "said"),
    [
        ({"target": "fr"}, "steering.target", "ja"),
        ({"target": "German"}, "steering.target", "de"),
        ({}, "steering", "target"),
        ({"target": "de", "strength": "strong"}, "steering.strength", "number"),
        ({"target": "de", "strength": -1}, "steering.strength", "-1"),
        ({"target": "de", "strength": 1e9}, "steering.strength", "8"),
        ({"target": "de", "strength": True}, "steering.strength", "true"),
        ({"target": "de", "phase": "prefill"}, "steering.phase", "decode"),
        ({"target": "de", "suppress": ["de"]}, "steering", "de"),
        ({"target": ["de"]}, "steering.target", "de"),
        ({"langauge": "de"}, "steering", "langauge"),
        ({"target": "de", "reasoning": "off"}, "steering.reasoning", "--reasoning-parser"),
        ({"profile": "de@000000000000"}, "steering.profile", "000000000000"),
    ],
)
def test_bad_values_get_400_that_names_field_value_and_choices(
    client: openai.OpenAI, steering: dict[str, Any], param: str, said: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        complete(client, steering)
    error: Any = caught.value.body
    assert str(error["param"]).startswith(param)
    assert said.lower() in error["message"].lower()
    assert error["code"] == 400


def test_steering_where_it_cannot_work_is_refused(server: Running) -> None:
    body = {"model": "demo", "prompt": PROMPT, "steering": {"target": "de"}}
    assert httpx.post(f"{server.url}/tokenize", json=body).status_code == 400
    smuggled = {"model": "demo", "prompt": PROMPT, "vllm_xargs": {"langsteer_target": "x"}}
    assert httpx.post(f"{server.url}/v1/completions", json=smuggled).status_code == 400


def test_profiles_are_listed(server: Running, profiles: dict[str, Profile]) -> None:
    listed = httpx.get(f"{server.url}/v1/steering/profiles").json()["data"]
    assert {entry["name"]: entry["version"] for entry in listed} == {
        name: profile.version for name, profile in profiles.items()
    }


def test_metrics_count_requests_refusals_and_tokens(server: Running, client: openai.OpenAI) -> None:
    requests = {"target": "ja", "outcome": "ok"}
    before = server.metric("langsteer_requests_total", **requests)
    tokens = server.metric("langsteer_edited_tokens_total")
    refused = server.metric("langsteer_requests_refused_total")
    complete(client, {"target": "ja"}, max_tokens=5)
    with pytest.raises(openai.BadRequestError):
        complete(client, {"target": "xx"})
    assert server.metric("langsteer_requests_total", **requests) == before + 1
    assert server.metric("langsteer_requests_refused_total") == refused + 1
    # The prompt's tokens and four of the answer's five: the last is never fed back.
    edited = server.metric("langsteer_edited_tokens_total") - tokens
    assert edited >= 5 + 4
    assert server.metric("langsteer_profiles_loaded") == 3


def test_bad_profile_files_are_refused_by_name_and_the_rest_keeps_serving(
    server: Running, client: openai.OpenAI, identity: ModelIdentity
) -> None:
    before = complete(client, {"target": "de"}).parse().choices[0].text
    bad = bad_files(server.folder / "de.safetensors", identity)
    for name, content in bad.items():
        (server.folder / name).write_bytes(content)
    store.save(synthetic(identity, "ko", 5, kinds="no"), server.folder)
    try:
        answer = httpx.post(f"{server.url}/v1/steering/profiles/reload", timeout=120).json()
        reasons = {Path(r["file"]).name: r["reason"] for r in answer["refused"]}
        assert reasons.keys() == bad.keys()
        assert all(name in reasons[name] for name in bad)
        assert "model" in reasons["fr.safetensors"] or "weights" in reasons["fr.safetensors"]
        assert complete(client, {"target": "de"}).parse().choices[0].text == before
        # The good one that came with them is in service.
        assert "ko@" in complete(client, {"target": "ko"}).headers["x-steering-profile"]
        with pytest.raises(openai.BadRequestError):
            complete(client, {"target": "fr"})
    finally:
        for name in [*bad, "ko.safetensors"]:
            (server.folder / name).unlink()
        httpx.post(f"{server.url}/v1/steering/profiles/reload", timeout=120)


def test_one_profile_is_loaded_pinned_and_inspected(
    server: Running, client: openai.OpenAI, identity: ModelIdentity
) -> None:
    """Under a stream that uses it throughout; what a pin keeps, neither file nor operator moves."""
    file, steering = server.folder / "de.safetensors", {"target": "de"}
    data, text = file.read_bytes(), complete(client, steering).parse().choices[0].text
    with httpx.Client(base_url=f"{server.url}/v1/steering/profiles", timeout=60) as http:

        def post(path: str) -> tuple[int, Any]:
            answer = http.post(path)
            return answer.status_code, answer.json()

        stream = client.completions.create(
            model="demo",
            prompt=PROMPT,
            max_tokens=200,
            temperature=0,
            stream=True,
            extra_body={"steering": steering, "ignore_eos": True},
        )
        next(iter(stream))
        try:
            assert post("/de/load")[1]["state"] == "unchanged"
            assert post("/ko/load")[0] == 404
            store.save(synthetic(identity, "ko", 5, kinds="no"), server.folder)
            status, loaded = post("/ko/load")
            assert (status, loaded["state"]) == (200, "loaded")
            assert loaded["id"] in complete(client, {"target": "ko"}).headers["x-steering-profile"]

            assert post("/de/pin")[1]["pinned"] is True
            store.save(synthetic(identity, "de", 78, kinds="n"), server.folder)
            status, refused = post("/de/load")
            assert (status, refused["error"]["param"]) == (409, "name")
            assert post("/de/unload?wait=1")[0] == 409
            report = post("/reload")[1]
            assert [pinned.partition("@")[0] for pinned in report["pinned"]] == ["de"]
            assert complete(client, steering).parse().choices[0].text == text

            assert post("/de/unpin")[1]["pinned"] is False
            status, replaced = post("/de/load")
            assert (status, replaced["state"]) == (200, "replaced")
            changed = complete(client, steering)
            assert replaced["id"] in changed.headers["x-steering-profile"]
            assert changed.parse().choices[0].text != text
            file.write_bytes(b"not a profile")
            status, invalid = post("/de/load")
            assert status == 422
            assert "de.safetensors" in invalid["error"]["message"]
            assert (
                complete(client, steering).headers["x-steering-profile"]
                == (changed.headers["x-steering-profile"])
            )
            shown = http.get("/ko").json()
            assert sum(shown["edits"]["target"]["neurons_per_layer"].values()) == 150
            assert sum(bool(chunk.choices) for chunk in stream) == 199
        finally:
            stream.close()
            file.write_bytes(data)
            (server.folder / "ko.safetensors").unlink(missing_ok=True)
            post("/de/unpin")
            post("/reload")
    assert complete(client, steering).parse().choices[0].text == text


def test_malformed_arguments_get_400_in_openai_form(server: Running) -> None:
    with httpx.Client(base_url=f"{server.url}/v1/steering", timeout=60) as http:
        answers = [
            http.post("/profiles/de/unload?wait=-1"),
            http.post("/profiles/de/unload?wait=soon"),
            http.post("/identify", content=b"{"),
            http.post("/identify", json={"text": 7}),
        ]
    for answer in answers:
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["message"]


def test_the_openapi_document_has_steering_where_it_is_read(server: Running) -> None:
    document = httpx.get(f"{server.url}/openapi.json", timeout=60).json()
    steered = {
        path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if "SteeredRequest" in json.dumps(operation.get("requestBody", {}))
    }
    assert "steering" in document["components"]["schemas"]["SteeredRequest"]["properties"]
    assert steered == {"/v1/completions", "/v1/chat/completions", "/v1/responses", "/v1/messages"}
    assert "/v1/steering/profiles/{name}/pin" in document["paths"]


def test_probes_tell_ready_from_alive(server: Running) -> None:
    for path in ("live", "ready"):
        assert httpx.get(f"{server.url}/steering/health/{path}", timeout=60).status_code == 200


def test_32_concurrent_requests_each_equal_themselves_alone(server: Running) -> None:
    asks = random_asks(random.Random(0), 32)

    async def ask(client: openai.AsyncOpenAI, a: dict[str, Any]) -> Any:
        extra = {"extra_body": {"steering": a["steering"]}} if a["steering"] else {}
        options: Any = {"model": "demo", "prompt": a["prompt"], "temperature": 0, **extra}
        if a["cancel"]:
            stream = await client.completions.create(stream=True, max_tokens=200, **options)
            async for _ in stream:
                break
            await stream.close()
            return None
        answer = await client.completions.create(max_tokens=a["max_tokens"], logprobs=1, **options)
        return answer.choices[0].logprobs

    async def run() -> tuple[list[Any], list[Any]]:
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=600
        ) as client:
            together = await asyncio.gather(*(ask(client, a) for a in asks))
            alone = [await ask(client, a) if not a["cancel"] else None for a in asks]
            return together, alone

    together, alone = asyncio.run(run())
    assert sum(a["steering"] is not None for a in asks) > 20
    for a, many, one in zip(asks, together, alone, strict=True):
        if not a["cancel"]:
            assert many.tokens == one.tokens, a
            assert many.token_logprobs == pytest.approx(one.token_logprobs, abs=2e-3), a
    deadline = time.monotonic() + 30
    while server.metric("langsteer_rows_in_use") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert server.metric("langsteer_rows_in_use") == 0
    assert server.metric("langsteer_requests_total", outcome="cancelled") > 0


def test_a_profile_is_replaced_and_unloaded_under_a_request(
    server: Running, client: openai.OpenAI, identity: ModelIdentity
) -> None:
    """A long stream finishes on the version it began with; others see the new one at once."""
    steering = {"target": "de", "strength": 0.5}
    options: Any = {"model": "demo", "prompt": PROMPT, "max_tokens": 300, "temperature": 0}
    options["extra_body"] = {"steering": steering, "ignore_eos": True}
    alone = client.completions.create(**options).choices[0].text
    file = server.folder / "de.safetensors"
    old, old_data = complete(client, steering), file.read_bytes()
    steering_url = f"{server.url}/v1/steering"
    stream = client.completions.create(stream=True, **options)
    parts = [next(iter(stream)).choices[0].text]
    try:
        in_use = httpx.post(f"{steering_url}/profiles/de/unload")
        assert in_use.status_code == 409
        store.save(synthetic(identity, "de", 77, kinds="no"), server.folder)
        begun = time.monotonic()
        report = httpx.post(f"{steering_url}/profiles/reload", timeout=60).json()
        took = time.monotonic() - begun
        (label,) = report["loaded"]
        assert report["refused"] == []
        assert len(report["draining"]) == 1
        assert took < 10
        new = complete(client, steering)
        assert label in new.headers["x-steering-profile"]
        assert new.parse().choices[0].text != old.parse().choices[0].text
        status = httpx.get(f"{steering_url}/status").json()
        assert status["profiles_draining"] == report["draining"]
        parts += [chunk.choices[0].text for chunk in stream if chunk.choices]
        assert "".join(parts) == alone
        deadline = time.monotonic() + 20
        while httpx.get(f"{steering_url}/status").json()["profiles_draining"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(httpx.get(f"{steering_url}/status").json()["profiles_in_engine"]) == 3
        gone = httpx.post(f"{steering_url}/profiles/de/unload?wait=10", timeout=30).json()
        assert gone["state"] == "unloaded"
        with pytest.raises(openai.BadRequestError):
            complete(client, steering)
    finally:
        file.write_bytes(old_data)
        httpx.post(f"{steering_url}/profiles/reload", timeout=60)
    assert complete(client, steering).parse().choices[0].text == old.parse().choices[0].text


def test_a_background_answer_keeps_its_profile(server: Running, client: openai.OpenAI) -> None:
    """Its HTTP request ends at once; the engine knows that it still waits or runs."""
    ask: Any = {"model": "demo", "input": PROMPT, "max_output_tokens": 200, "temperature": 0}
    steering = {"steering": {"target": "ja"}, "ignore_eos": True}
    queued = client.responses.create(**ask, background=True, extra_body=steering)
    assert queued.status in ("queued", "in_progress")
    refused = httpx.post(f"{server.url}/v1/steering/profiles/ja/unload", timeout=30)
    assert refused.status_code == 409, refused.text
    deadline = time.monotonic() + 120
    # It ends for its length: "incomplete".
    while (answer := client.responses.retrieve(queued.id)).status in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    foreground = client.responses.create(**ask, extra_body=steering)
    assert answer.output_text == foreground.output_text


def test_an_engine_killed_while_it_loads_ends_the_server_and_leaves_the_files(
    server: Running, identity: ModelIdentity
) -> None:
    """The last of the tests that use this server."""
    import psutil

    store.save(synthetic(identity, "ko", 5, kinds="no"), server.folder)
    before = {file.name: file.read_bytes() for file in server.folder.iterdir()}
    engines = psutil.Process(server.process.pid).children(recursive=True)
    assert engines
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(httpx.post, f"{server.url}/v1/steering/profiles/reload", timeout=60)
        time.sleep(0.05)
        for engine in engines:
            engine.kill()
        with contextlib.suppress(httpx.TransportError):
            reload.result()
    assert server.process.wait(60) is not None
    assert {file.name: file.read_bytes() for file in server.folder.iterdir()} == before


def test_bad_profiles_stop_the_start_before_the_engine(
    tmp_path: Path, profile_folder: Path, identity: ModelIdentity
) -> None:
    for name, content in bad_files(profile_folder / "de.safetensors", identity).items():
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        command(tmp_path, free_port()),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "7 bad files" in done.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        command(empty, free_port()), capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 1
    assert "langsteer profile" in done.stderr


def test_a_server_whose_worker_is_not_armed_never_becomes_ready(
    tmp_path: Path, profile_folder: Path
) -> None:
    """A sitecustomize takes the arming out of every process; the handshake must notice."""
    (tmp_path / "sitecustomize.py").write_text(
        "from steering.engine import runner_v1\nrunner_v1.arm = lambda *_: None\n"
    )
    port, log = free_port(), tmp_path / "log"
    process = start(command(profile_folder, port), log, PYTHONPATH=str(tmp_path))
    try:
        deadline = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < deadline:
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=1)
            time.sleep(1)
        assert process.returncode == 1
    finally:
        if process.poll() is None:
            stop(process)
    assert "not armed" in log.read_text()
