"""Ray Serve with two servers: profiles change under load, in both or in none; nothing is lost."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from profiles.models.fingerprint import fingerprint
from profiles.profile import Profile
from tests.e2e.child import run_script
from tests.e2e.conftest import save_all, synthetic
from tests.e2e.running import free_port
from tests.tiny_model import SIZES, save_model

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("ray", "aiohttp_cors")),
        reason="Ray Serve is not installed: pip install 'langsteer[ray]'",
    ),
]

OPTIONS = [
    *("--served-model-name", "served", "--dtype", "float32", "--max-model-len", "128"),
    *("--max-num-seqs", "4", "--block-size", "32", "--enforce-eager", "--no-playground"),
]
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    # What is refused below exists in this mode only.
    "VLLM_SERVER_DEV_MODE": "1",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"), **SIZES)


@pytest.fixture(scope="module")
def made(model: Path) -> dict[str, Profile]:
    """By what they are for: de and ja at first, then another de, and fr."""
    identity = fingerprint(model)
    return {
        "de": synthetic(identity, "de", 1, kinds="nom"),
        "ja": synthetic(identity, "ja", 2, kinds="nom"),
        "new de": synthetic(identity, "de", 3, kinds="nom"),
        "fr": synthetic(identity, "fr", 4, kinds="nom"),
    }


@pytest.fixture(scope="module")
def ran(
    model: Path, made: dict[str, Profile], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What ray_run.py saw."""

    def saved(name: str, *profiles: Profile) -> Path:
        return save_all({each.language: each for each in profiles}, tmp_path_factory.mktemp(name))

    # Of another model, which the board cannot know and both servers must refuse.
    wide = SIZES | {"intermediate_size": 192}
    other = fingerprint(save_model(tmp_path_factory.mktemp("other"), **wide))
    new, old = saved("new", made["new de"], made["fr"]), saved("old", made["de"])
    wrong = saved("wrong", synthetic(other, "ja", 5, kinds="o"))
    spec = {
        "model": str(model),
        "folder": str(saved("served", made["de"], made["ja"])),
        "port": free_port(),
        "options": OPTIONS,
        "environment": ENVIRONMENT,
        "seconds": 4.0,
        "changes": {name: str(new / f"{name}.safetensors") for name in ("de", "fr")},
        "bad": {
            "de": str(old / "de.safetensors"),
            "ja": str(wrong / "ja.safetensors"),
        },
        "pins": [label(made["new de"]), label(made["de"])],
    }
    root = Path(__file__).parents[2]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        where = tmp_path_factory.mktemp("run")
        return run_script("ray_run.py", spec, where, timeout=420)  # type: ignore[no-any-return]


def label(profile: Profile) -> str:
    return f"{profile.language}@{profile.version}"


def named(answer: dict[str, Any]) -> str:
    return str(answer["applied"]).partition(";")[0]


def test_no_request_fails_and_each_is_steered_as_it_asks(
    ran: dict[str, Any], made: dict[str, Profile]
) -> None:
    answers = ran["answers"]
    assert {a["status"] for a in answers} == {200}, [a for a in answers if a["error"]][:3]
    assert len(answers) > 30
    assert len({a["replica"] for a in answers}) == 2
    right = {
        "unsteered": {""},
        "de": {label(made["de"]), label(made["new de"])},
        "ja": {label(made["ja"])},
    }
    for answer in answers:
        assert named(answer) in right[answer["kind"]]


def test_text_depends_on_the_version_that_is_named_and_on_no_replica(ran: dict[str, Any]) -> None:
    texts: dict[str, set[str]] = {}
    for answer in ran["answers"]:
        texts.setdefault(named(answer), set()).add(answer["text"])
    assert {name: len(found) for name, found in texts.items()} == dict.fromkeys(texts, 1)
    assert len(texts) == 4
    assert len({next(iter(found)) for found in texts.values()}) == 4


def test_the_old_version_until_all_have_the_new_one(
    ran: dict[str, Any], made: dict[str, Profile]
) -> None:
    update = ran["update"]
    assert (update["code"], update["report"]["state"]) == (0, "updated")
    assert update["report"]["loaded"] == ["de.safetensors", "fr.safetensors"]
    assert len(update["report"]["replicas"]) == 2
    assert not update["report"]["errors"]
    german = [a for a in ran["answers"] if a["kind"] == "de"]
    before = [a for a in german if a["ended"] < update["began"]]
    after = [a for a in german if a["began"] > update["ended"]]
    assert {named(a) for a in before} == {label(made["de"])}
    assert {named(a) for a in after} == {label(made["new de"])}
    for phase in (before, after):
        assert len({a["replica"] for a in phase}) == 2
    # Staged first, offered last: where they differ at all, it is for the time of one reload.
    first_new = min(a["ended"] for a in german if named(a) == label(made["new de"]))
    last_old = max(a["began"] for a in german if named(a) == label(made["de"]))
    assert last_old - first_new < 2


def test_what_one_refuses_changes_none(ran: dict[str, Any], made: dict[str, Profile]) -> None:
    refusal = ran["refusal"]
    assert (refusal["code"], refusal["report"]["state"]) == (1, "refused")
    assert len(refusal["report"]["errors"]) == 2
    for error in refusal["report"]["errors"].values():
        assert "made for another model" in error
    later = [a for a in ran["answers"] if a["began"] > refusal["ended"]]
    assert {named(a) for a in later if a["kind"] == "de"} == {label(made["new de"])}
    assert {named(a) for a in later if a["kind"] == "ja"} == {label(made["ja"])}
    assert len(ran["status"]["replicas"]) == 2


def test_a_version_can_be_asked_for_by_name(ran: dict[str, Any], made: dict[str, Profile]) -> None:
    new, old = ran["pinned"]
    assert (new["status"], named(new)) == (200, label(made["new de"]))
    assert (old["status"], label(made["new de"]) in old["error"]) == (400, True)
    assert ran["unknown"]["status"] == 400
    assert (ran["fr"]["status"], named(ran["fr"])) == (200, label(made["fr"]))


def test_what_would_change_one_server_is_refused(ran: dict[str, Any]) -> None:
    assert Counter(ran["refused"].values()) == {403: 2}
    assert {each["id"] for each in ran["listed"]["data"]}
