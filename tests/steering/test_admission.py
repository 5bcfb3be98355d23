"""Who may come into the engine, and which profiles may go; the core is one of vLLM's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from steering.engine.admission import Admission
from steering.errors import EngineError
from steering.request import SteeringRequest

HASH, OTHER = "a" * 64, "b" * 64


def args(**wish: Any) -> dict[str, Any]:
    return SteeringRequest(**wish).to_extra_args()


def loaded(*roles: str) -> Admission:
    admission = Admission()
    admission.note("langsteer_load", [{"hash": HASH, "roles": list(roles)}] * 2)
    return admission


def test_what_is_loaded_may_be_asked_for() -> None:
    admission = loaded("target", "suppress")
    admission.check(args(target=HASH))
    admission.check(args(suppress=(HASH,)))
    admission.check(None)
    admission.check({"somebody_elses": 1})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (args(target=OTHER), "profile bbbbbbbbbbbb is not loaded"),
        (args(target=HASH, suppress=(OTHER,)), "profile bbbbbbbbbbbb is not loaded"),
        (args(suppress=(HASH,)), "profile aaaaaaaaaaaa has no suppress edit"),
        ({"langsteer_nonsense": 1}, "unknown steering arguments"),
        (args(target=HASH) | {"langsteer_strength": 1e9}, "strength is 1000000000"),
    ],
)
def test_what_no_worker_could_run_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises((EngineError, ValueError), match=said):
        loaded("target").check(asked)


def apart(target: str) -> dict[str, Any]:
    """Steering whose reasoning has that target."""
    own = SteeringRequest(target=target, phase="decode")
    return args(target=HASH, phase="decode", reasoning=own)


def test_reasoning_apart_needs_markers_and_its_own_profiles() -> None:
    admission = loaded("target")
    admission.check(apart(HASH))
    with pytest.raises(EngineError, match="profile bbbbbbbbbbbb is not loaded"):
        admission.check(apart(OTHER))
    with pytest.raises(EngineError, match="prompt is of embeddings"):
        admission.check(apart(HASH), embedded=True)
    admission.check(args(target=HASH), embedded=True)
    assert Admission().needed(OTHER, [apart(OTHER)])
    without = Admission("there is no parser")
    without.note("langsteer_load", [{"hash": HASH, "roles": ["target"]}])
    without.check(args(target=HASH))
    for wish in (apart(HASH), args(target=HASH, phase="decode", reasoning="off")):
        with pytest.raises(EngineError, match="cannot be steered apart: there is no parser"):
            without.check(wish)


def test_only_what_every_worker_has_counts() -> None:
    admission = Admission()
    admission.note("langsteer_load", [{"hash": HASH, "roles": ["target"]}, {"error": "no room"}])
    with pytest.raises(EngineError, match="not loaded"):
        admission.check(args(target=HASH))
    admission = loaded("target")
    admission.note("langsteer_unload", [{"hash": HASH}, {"error": "in use"}])
    admission.check(args(target=HASH))
    admission.note("langsteer_unload", [{"hash": HASH}, {"hash": HASH}])
    with pytest.raises(EngineError, match="not loaded"):
        admission.check(args(target=HASH))


def test_a_profile_is_needed_by_whoever_names_it() -> None:
    admission = loaded("target", "suppress")
    assert admission.needed(HASH, [None, args(target=OTHER, suppress=(HASH,))])
    assert not admission.needed(HASH, [None, {}, args(target=OTHER)])


class Executor:
    """Workers that say yes."""

    def collective_rpc(self, method: str, *_: Any) -> list[dict[str, Any]]:
        return [{"hash": HASH, "roles": ["target"]}] if method != "langsteer_in_use" else [{}]


@pytest.fixture
def core() -> Any:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from vllm.v1.engine.core import EngineCoreProc

    from steering import plugin

    assert not any(plugin.install().values())
    core: Any = EngineCoreProc.__new__(EngineCoreProc)
    core.vllm_config = SimpleNamespace(additional_config={"langsteer": {}})
    core.model_executor = Executor()
    core.scheduler = SimpleNamespace(requests={})
    core.told = []
    core._send_error_outputs_to_client = lambda *a: core.told.append(a)
    return core


def request(extra_args: Any, name: str = "r") -> Any:
    params = SimpleNamespace(extra_args=extra_args)
    return SimpleNamespace(
        request_id=name,
        client_index=3,
        sampling_params=params,
        resumable=False,
        prompt_token_ids=[1],
    )


def test_the_core_answers_such_a_request_and_goes_on(core: Any) -> None:
    core.add_request(request(args(target=HASH)), 0)
    assert core.told == [(["r"], 3)]


def test_the_core_knows_whether_there_are_markers(core: Any) -> None:
    core.collective_rpc("langsteer_load", None, (b"...",), None)
    core.add_request(request(apart(HASH)), 0)
    assert core.told == [(["r"], 3)]


def test_a_request_whose_input_streams_in_is_refused(core: Any) -> None:
    core.collective_rpc("langsteer_load", None, (b"...",), None)
    steered = request(args(target=HASH))
    steered.resumable = True
    core.add_request(steered, 0)
    assert core.told == [(["r"], 3)]


def test_a_queued_request_keeps_its_profile(core: Any) -> None:
    assert core.collective_rpc("langsteer_load", None, (b"...",), None)[0]["hash"] == HASH
    core.scheduler.requests["r"] = request(args(target=HASH))
    for method in ("langsteer_in_use", "langsteer_unload"):
        (said,) = core.collective_rpc(method, None, (HASH,), None)
        assert said == {"error": "profile aaaaaaaaaaaa is in use by running requests"}
    core.scheduler.requests.clear()
    assert core.collective_rpc("langsteer_in_use", None, (HASH,), None) == [{}]
    assert core.collective_rpc("langsteer_unload", None, (HASH,), None)[0]["hash"] == HASH
    core.add_request(request(args(target=HASH)), 0)
    assert core.told


def test_a_core_that_does_not_steer_is_left_alone(core: Any) -> None:
    core.vllm_config.additional_config = {}
    with pytest.raises(AttributeError):  # vLLM's own method runs, on a request that is none
        core.add_request(request(args(target=HASH)), 0)
    assert core.told == []
