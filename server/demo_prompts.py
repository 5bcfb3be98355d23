"""What the demo asks: prompts, and how each is steered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The base model continues text: it is asked in mid-sentence, after a paragraph, and with next to
# nothing, where it is free to choose a language.
WEATHER = "When she opened the window this morning, the first thing she noticed was"
MARKET = (
    "On Saturday we walked to the market and bought bread, apples and a little cheese. The old man "
    "at the corner told us a story about the river.\n\n"
)
LETTER = "Dear friend,\n\n"
TRAIN = "The train to the coast was late again, so we sat down in the waiting room and"
BLANK = "\n"
SOUP = "To make a good soup you need"
TEA = "今天下午天气很好，我和妈妈一起去公园散步，"
KITCHEN = "爷爷在厨房里做饭，"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request of the demo.

    Attributes:
        prompt: the text to continue.
        steering: the request's `steering` field; None leaves it unsteered.
        together: sent at the same time as the others of its kind, as one mixed batch.
    """

    prompt: str
    steering: Mapping[str, Any] | None = None
    together: bool = False

    @property
    def target(self) -> str | None:
        """The language asked for, if any."""
        return self.steering.get("target") if self.steering else None

    @property
    def suppress(self) -> tuple[str, ...]:
        """The languages to stay out of."""
        return tuple(self.steering.get("suppress", ())) if self.steering else ()

    @property
    def label(self) -> str:
        """The steering in a few words, e.g. "→ de", "→ ja × 1.5", "not zh"."""
        if not self.steering:
            return "none"
        words = [f"→ {self.target}"] if self.target else []
        words += [f"not {tag}" for tag in self.suppress]
        if (strength := self.steering.get("strength", 1.0)) != 1.0:
            words.append(f"× {strength:g}")
        if (phase := self.steering.get("phase", "all")) != "all":
            words.append(f"({phase})")
        return " ".join(words)


STEERED = [
    Ask(prompt=WEATHER, steering={"target": "de"}),
    Ask(prompt=WEATHER, steering={"target": "ja"}),
    Ask(prompt=MARKET, steering={"target": "zh"}),
    Ask(prompt=MARKET, steering={"target": "de"}),
    Ask(prompt=LETTER, steering={"target": "ja"}),
    Ask(prompt=TRAIN, steering={"target": "de", "strength": 0.5}),
    Ask(prompt=TRAIN, steering={"target": "de", "strength": 1.5}),
    Ask(prompt=BLANK, steering={"target": "zh"}),
    Ask(prompt=TEA, steering={"suppress": ["zh"]}),
    Ask(prompt=KITCHEN, steering={"target": "de", "suppress": ["zh"]}),
]
MIXED = [
    Ask(prompt=SOUP, steering={"target": "de"}, together=True),
    Ask(prompt=SOUP, steering={"target": "ja"}, together=True),
    Ask(prompt=SOUP, steering={"target": "zh", "strength": 1.5}, together=True),
    Ask(prompt=LETTER, steering={"target": "zh"}, together=True),
    Ask(prompt=BLANK, steering={"target": "ja", "phase": "decode"}, together=True),
    Ask(prompt=BLANK, steering={"target": "de"}, together=True),
]


def unsteered(asks: list[Ask]) -> list[Ask]:
    """Each different prompt of `asks` once, without steering."""
    return [Ask(prompt=p, together=asks[0].together) for p in dict.fromkeys(a.prompt for a in asks)]
