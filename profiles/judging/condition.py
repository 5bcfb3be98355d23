"""The situations a profile is judged in: what the model has read when it begins to write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

from profiles.judging.identify import primary
from profiles.judging.prompts import EXAMPLE, FACTS, QUESTIONS, SYSTEM
from profiles.judging.text import EvaluationText
from profiles.models.chat import chat_text


class SkippedError(Exception):
    """A condition or baseline does not apply here; its text is the reason, for the user."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One prompt and what is known about a good answer.

    Attributes:
        prompt: text to continue; "" is BOS alone. Not used where there are messages.
        messages: a conversation as (role, content) pairs, for the model's chat template.
        source: tag of the language the prompt is in; None for BOS alone.
        line: the line of the evaluation text whose translation is the reference, if any.
        answer: digits a right answer holds, if any.
        stop: the output counts up to the first of these.
    """

    prompt: str = ""
    messages: tuple[tuple[str, str], ...] = ()
    source: str | None = None
    line: int | None = None
    answer: str | None = None
    stop: tuple[str, ...] = ()

    def text(self, tokenizer: Any) -> str:
        """The prompt as the model reads it, without BOS where the tokenizer adds one."""
        if not self.messages:
            return self.prompt
        messages = [{"role": role, "content": content} for role, content in self.messages]
        return chat_text(tokenizer, messages)

    def instructed(self, instruction: str) -> Row:
        """The same row with an instruction: in the last user turn, or before the text."""
        if self.messages:
            *before, (role, content) = self.messages
            return replace(self, messages=(*before, (role, f"{content}\n{instruction}")))
        return replace(self, prompt=f"{instruction}\n\n{self.prompt}")

    def cut(self, output: str) -> str:
        """`output` up to the first stop."""
        ends = [at for stop in self.stop if (at := output.find(stop)) >= 0]
        return output[: min(ends)] if ends else output


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What conditions make their rows from.

    Attributes:
        text: the evaluation text.
        count: how many rows.
        has_chat: the model has a chat template; True for a server, which knows for itself.
        denied: the language to leave, for conditions in the suppressed language.
    """

    text: EvaluationText
    count: int
    has_chat: bool
    denied: str | None = None


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A kind of prompt.

    Attributes:
        name: what the option calls it.
        about: one line for tables and documentation.
        rows: makes the rows; raises SkippedError where the condition does not apply.
        greedy: decoded without sampling: there is one right answer.
        suppressing: judges suppression; its prompts are in the denied language.
        away: the condition away from a language that this one's name asks for too, if any.
    """

    name: str
    about: str
    rows: Callable[[Scene], list[Row]]
    greedy: bool = False
    suppressing: bool = False
    away: str | None = None


def _cycled(rows: Iterable[Row], count: int) -> list[Row]:
    return list(islice(cycle(rows), count))


def _bos(scene: Scene) -> list[Row]:
    return [Row()] * scene.count


def _english(scene: Scene) -> str:
    if (tag := scene.text.tag_of("en")) is None:
        raise SkippedError(f"{scene.text.source} has no English text")
    return tag


def _paragraph(scene: Scene) -> list[Row]:
    return _paragraphs(scene, _english(scene))


def _paragraphs(scene: Scene, tag: str) -> list[Row]:
    found = scene.text.paragraphs(tag)
    return _cycled((Row(prompt=p + "\n\n", source=tag) for p in found), scene.count)


def _mid(scene: Scene) -> list[Row]:
    return _beginnings(scene, _english(scene))


def _beginnings(scene: Scene, tag: str) -> list[Row]:
    found = scene.text.beginnings(tag)
    return _cycled((Row(prompt=p, source=tag) for p in found), scene.count)


def _other(scene: Scene) -> list[Row]:
    tags = [tag for tag in scene.text.languages if primary(tag) != "en"]
    if len(tags) < 2:
        raise SkippedError(f"{scene.text.source} has fewer than two languages beside English")
    # Rows in the target's own language are left out when judged: more are made, so that about
    # `count` remain whichever the target is.
    count = -(-scene.count * len(tags) // (len(tags) - 1))
    paragraphs = {tag: scene.text.paragraphs(tag) for tag in tags}
    rows = []
    for n in range(count):
        tag = tags[n % len(tags)]
        own = paragraphs[tag]
        # Shifted by language, so that neighbouring rows do not tell the same story.
        rows.append(Row(prompt=own[n % len(own)] + "\n\n", source=tag))
    return rows


def _chat(scene: Scene) -> list[Row]:
    if not scene.has_chat:
        raise SkippedError("the model has no chat template")
    plain = [Row(messages=(("user", q),), source="en") for q in QUESTIONS]
    with_system = [Row(messages=(("system", SYSTEM), ("user", q)), source="en") for q in QUESTIONS]
    # With and without a system prompt in turn, each with another question first.
    half = len(QUESTIONS) // 2
    turned = with_system[half:] + with_system[:half]
    rows = [row for pair in zip(plain, turned, strict=True) for row in pair]
    return _cycled(rows, scene.count)


def _translate(scene: Scene) -> list[Row]:
    sentences = scene.text.sentences(_english(scene))
    rows = [
        Row(
            prompt=f'Translate the sentence.\nSentence: "{s}"\nTranslation: "',
            source="en",
            line=n,
            stop=('"', "\n"),
        )
        for n, s in enumerate(sentences)
    ]
    # Each sentence once: it is decoded greedily.
    return rows[: scene.count]


def _answer(scene: Scene) -> list[Row]:
    rows = [
        Row(
            prompt=f"{EXAMPLE}{fact.passage}\nQuestion: {fact.question}\nAnswer:",
            source="en",
            answer=fact.answer,
            stop=("\n",),
        )
        for fact in FACTS
    ]
    return rows[: scene.count]


def _denied(scene: Scene) -> str:
    tag = scene.text.tag_of(scene.denied or "")
    if tag is None:
        raise SkippedError(f"{scene.text.source} has no text in {scene.denied}")
    return tag


def _denied_line(scene: Scene) -> list[Row]:
    found = scene.text.sentences(_denied(scene))
    return _cycled((Row(prompt=s + "\n", source=scene.denied) for s in found), scene.count)


CONDITIONS: dict[str, Condition] = {
    c.name: c
    for c in (
        Condition(name="bos", about="generated from nothing", rows=_bos, away="bos"),
        Condition(
            name="paragraph",
            about="after an English paragraph and a blank line",
            rows=_paragraph,
            away="denied-paragraph",
        ),
        Condition(
            name="mid",
            about="in the middle of an English sentence",
            rows=_mid,
            away="denied-mid",
        ),
        Condition(
            name="other", about="after a paragraph in another language than English", rows=_other
        ),
        Condition(
            name="chat",
            about="an English question in the chat template, half with a system prompt",
            rows=_chat,
        ),
        Condition(
            name="translate",
            about="a sentence to translate by a prompt that names no language",
            rows=_translate,
            greedy=True,
        ),
        Condition(
            name="answer",
            about="an English question whose answer is in the prompt",
            rows=_answer,
            greedy=True,
        ),
        Condition(
            name="denied-paragraph",
            about="after a paragraph in the denied language and a blank line",
            rows=lambda scene: _paragraphs(scene, _denied(scene)),
            suppressing=True,
        ),
        Condition(
            name="denied-line",
            about="after a line in the denied language",
            rows=_denied_line,
            suppressing=True,
        ),
        Condition(
            name="denied-mid",
            about="in the middle of a sentence in the denied language",
            rows=lambda scene: _beginnings(scene, _denied(scene)),
            suppressing=True,
        ),
    )
}
DEFAULT_CONDITIONS = ("bos", "paragraph", "mid", "other", "denied-line")


def of_role(role: str, names: Sequence[str]) -> list[str]:
    """The conditions judged in a role where `names` are asked for.

    A name asks for the condition and, away from a language, for its counterpart in the denied
    language: `paragraph` is `denied-paragraph` there.
    """
    if role == "target":
        return [name for name in names if not CONDITIONS[name].suppressing]
    away = {CONDITIONS[name].away for name in names}
    return [
        name for name, c in CONDITIONS.items() if name in away or (c.suppressing and name in names)
    ]
