"""Find the strength at which an edit steers best for what it costs, on held-out text."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from profiles.judging.identify import UNKNOWN, primary
from profiles.judging.judge import Verdict, judge
from profiles.judging.likelihood import bits_of
from profiles.learning.frontier import Frontier, Point, choose, frontier_of
from profiles.learning.prefixes import Example, Lines, Role, join, sample
from profiles.models.chat import chat_turn
from profiles.models.generate import generate
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel
from profiles.profile import Edit

_LINES = 3  # a paragraph
# From half of what an edit was made as to where fluency has long gone.
EVEN = (0.45, 0.6, 0.75, 0.9, 1.1, 1.4)
# Memories away from a language take some more, and factors on neurons much more.
_AWAY = (0.6, 0.8, 1.0, 1.3, 1.6, 2.0)
HIGH = (0.8, 1.1, 1.4, 1.7, 2.0, 2.4)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How to calibrate.

    Attributes:
        strengths: tried with the whole prompt edited, by role, ascending.
        decode_strengths: tried with the answer alone edited, in units of the recommended.
        samples: outputs a strength, after the kinds of context learning draws.
        tokens: length of an output.
        temperature: of plain sampling.
        texts: held-out paragraphs, by role: of the target language, or of all the others in turn.
            What the unedited model goes on with after them shows what an edit costs.
        rows: outputs written at once; a setting of memory, not of results.
        seed: of contexts and samples.
    """

    strengths: Mapping[Role, tuple[float, ...]] = field(
        default_factory=lambda: {
            "target": EVEN,
            "suppress": _AWAY,
        }
    )
    decode_strengths: tuple[float, ...] = (1.0, 1.4)
    samples: int = 24
    tokens: int = 28
    temperature: float = 0.8
    texts: Mapping[Role, int] = field(default_factory=lambda: {"target": 12, "suppress": 24})
    rows: int = 72
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """An edit whose strength 1.0 is the recommended point, and the points it was chosen from."""

    edit: Edit
    frontier: Frontier


def calibrate(
    loaded: LoadedModel,
    edit: Edit,
    held: Lines,
    language: str,
    role: Role = "target",
    options: Calibration | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    down_projection: str | None = None,
) -> Calibrated:
    """Try strengths, and scale `edit` so that 1.0 is the best of them.

    Args:
        loaded: the model.
        edit: towards `language`, or away from it.
        held: text by language that the edit was not learned from.
        language: one of them.
        role: "target" or "suppress".
        options: see `Calibration`.
        progress: called with (tokens done, tokens).
        down_projection: see `find_ffns`.
    """
    options = options or Calibration()
    trial = _Trial(loaded, held, language, role, options, down_projection)
    strengths = options.strengths[role]
    runs = len(strengths) + len(options.decode_strengths)

    def show(done: int, before: int, share: int) -> None:
        if progress:
            progress(before * options.tokens + done * share, runs * options.tokens)

    count = len(strengths)
    points = trial.points(edit, strengths, "all", lambda n: show(n, 0, count))
    unit = points[choose(points)[0]].strength
    late = [unit * strength for strength in options.decode_strengths]
    after = trial.points(edit, late, "decode", lambda n: show(n, count, len(late)))
    return Calibrated(edit=edit.times(unit), frontier=frontier_of(points, after))


class _Trial:
    def __init__(
        self,
        loaded: LoadedModel,
        held: Lines,
        language: str,
        role: Role,
        options: Calibration,
        down_projection: str | None,
    ) -> None:
        self._loaded, self._language, self._role = loaded, language, role
        self._options, self._down = options, down_projection
        self._among = [*held]
        rng = random.Random(options.seed)
        turn = chat_turn(loaded.tokenizer)
        drawn: list[Example] = []
        while len(drawn) < options.samples:
            # "same" keeps other languages as they are: there is nothing to leave.
            found = sample(held, language, role, options.samples, rng, turn)
            drawn += [e for e in found if e.kind != "same"]
        self._contexts = drawn[: options.samples]
        others = [name for name in held if name != language]
        sources = [language] if role == "target" else others
        texts = _paragraphs([held[name] for name in sources], options.texts[role])
        self._before = [loaded.tokenizer(t, add_special_tokens=False).input_ids for t in texts]
        self._bytes = sum(len(text.encode()) for text in texts)
        # By text that the model draws itself an edit can only cost, and does so by the divergence
        # of the two; the corpus's text may become likelier, where an edit has learned its style.
        self._own = [
            row
            for at in range(0, len(texts), options.rows)
            for row in generate(
                loaded,
                texts[at : at + options.rows],
                tokens=options.tokens,
                temperature=1.0,
                seed=options.seed + at,
            )
        ]
        self._unedited = sum(bits_of(loaded, self._own, self._before))

    @cached_property
    def _natural(self) -> float:
        """Bits per byte of the held-out paragraphs under the unedited model."""
        return sum(bits_of(self._loaded, self._before)) / self._bytes

    def points(
        self, edit: Edit, strengths: Sequence[float], phase: str, show: Callable[[int], None]
    ) -> list[Point]:
        """One point a strength; all strengths share the batches, a row each."""
        rows = [(strength, e.prefix) for strength in strengths for e in self._contexts]
        size, tokens = self._options.rows, self._options.tokens
        out: list[list[int]] = []
        for begin in range(0, len(rows), size):
            done = begin * tokens
            part = rows[begin : begin + size]

            def shown(step: int, of: int, done: int = done, part: int = len(part)) -> None:
                show((done + part * of * step // of) // len(rows))

            out += self._write(part, begin, edit, phase, shown)
        verdicts = judge(self._loaded, out, self._among)
        size = len(self._contexts)
        return [
            self._point(strength, phase, verdicts[n * size : (n + 1) * size], edit)
            for n, strength in enumerate(strengths)
        ]

    def _write(
        self,
        rows: Sequence[tuple[float, str]],
        begin: int,
        edit: Edit,
        phase: str,
        show: Callable[[int, int], None],
    ) -> list[list[int]]:
        prompts = [prompt for _, prompt in rows]
        first = [self._last(prompt) if phase == "decode" else 0 for prompt in prompts]
        with edited(
            self._loaded.model,
            edit,
            [strength for strength, _ in rows],
            first if any(first) else 0,
            down_projection=self._down,
        ):
            return generate(
                self._loaded,
                prompts,
                tokens=self._options.tokens,
                temperature=self._options.temperature,
                seed=self._options.seed + begin,
                progress=show,
            )

    def _last(self, prompt: str) -> int:
        return max(0, len(self._loaded.tokenizer(prompt).input_ids) - 1)

    def _point(self, strength: float, phase: str, verdicts: Sequence[Verdict], edit: Edit) -> Point:
        rates: dict[str, list[bool]] = defaultdict(list)
        for example, verdict in zip(self._contexts, verdicts, strict=True):
            rates[example.kind].append(self._good(verdict))
        count = len(verdicts)
        return Point(
            strength=strength,
            phase=phase,
            success=sum(map(sum, rates.values())) / count,
            by_context={kind: sum(good) / len(good) for kind, good in sorted(rates.items())},
            repetition=sum(v.repetitive for v in verdicts) / count,
            bits_per_byte=self._bits_per_byte(verdicts),
            perplexity=self._perplexity(edit, strength),
            samples=count,
        )

    def _good(self, verdict: Verdict) -> bool:
        if self._role == "target":
            return verdict.success(self._language)
        # Identifiers know no regions: pt-BR is left where pt is. What cannot be told has not
        # arrived anywhere: mostly a mixture, the denied language among it.
        stayed = (primary(self._language), UNKNOWN)
        return verdict.language not in stayed and not verdict.repetitive

    def _bits_per_byte(self, verdicts: Sequence[Verdict]) -> float | None:
        size = sum(v.bytes for v in verdicts)
        if not size or self._role == "suppress":
            return None
        bits = sum(v.bits or 0.0 for v in verdicts)
        return round(bits / size / self._natural, 4)

    def _perplexity(self, edit: Edit, strength: float) -> float:
        with edited(self._loaded.model, edit, strength, down_projection=self._down):
            bits = sum(bits_of(self._loaded, self._own, self._before))
        tokens = max(1, sum(map(len, self._own)))
        return round(float(2 ** ((bits - self._unedited) / tokens)), 4)


def _paragraphs(sources: Sequence[Sequence[str]], count: int) -> list[str]:
    """At most `count` texts of a few lines each, the languages in turn.

    Long enough to say what language they are in: before that an edit is a help, not a cost.
    """
    parts = (
        lines[at : at + _LINES]
        for at in range(0, max(map(len, sources)), _LINES)
        for lines in sources
    )
    return [join(part) for part in parts if part][:count]
