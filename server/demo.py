"""`make demo`: profile a real model, serve it, ask it unsteered and steered, show what came out."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from openai import AsyncOpenAI, OpenAIError
from rich.console import Console

from profiles.errors import LangsteerError
from profiles.judging.identify import identify
from profiles.judging.repetition import is_repetitive
from profiles.models.resolve import resolve_model
from profiles.ready.folder import READY, profile_folder
from profiles.store import SUFFIX
from server.demo_answers import Answer, findings, table, write
from server.demo_prompts import MIXED, STEERED, Ask, unsteered
from server.demo_server import free_port, running

MODEL = "demo"
OWN, READY_MADE = "de", ("ja", "zh")
PROFILES = Path("out/profiles")
OUT = Path("out/demo")
MAX_TOKENS, TEMPERATURE, SEED = 48, 0.8, 7
# Enough for the demo's batch, small enough for any laptop.
SMALL_SERVER = ["--enforce-eager", "--max-model-len", "1024", "--max-num-seqs", "16"]
_REQUEST_SECONDS = 180

console = Console(highlight=False)
if not console.is_terminal:
    console.width = 120


def main() -> int:
    """Run the whole demo; 0 where steering worked, 1 where it did nothing or a step failed."""
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    try:
        with _step("1. The demo model: Gemma 3 270M (base)"):
            console.print(f"  {resolve_model(MODEL, lambda line: console.print(f'  {line}'))}")
        with _step(f"2. Profiles: what makes it write {OWN}? And two ready-made ones"):
            which = ("--languages", OWN, "--suppress", "none")
            _langsteer("profile", MODEL, *which, "--out", str(PROFILES))
            _add_ready_made()
        answers = _serve_and_ask()
    except (LangsteerError, OpenAIError, OSError, subprocess.CalledProcessError) as error:
        console.print(f"\ndemo failed: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\ndemo interrupted")
        return 130
    return _conclude(answers, time.monotonic() - started)


def _add_ready_made() -> None:
    for language in READY_MADE:
        file = profile_folder(Path(READY)) / f"{language}{SUFFIX}"
        shutil.copy(file, PROFILES / file.name)
        console.print(f"  {file.name}: from the ready-made profiles (--profiles {READY})")


def _serve_and_ask() -> list[Answer]:
    port, log = free_port(), OUT / "server.log"
    command = _command("serve", MODEL, "--profiles", str(PROFILES), *SMALL_SERVER)
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB; for this process and its children
    with ExitStack() as stack:
        with _step(f"3. The server: langsteer serve {MODEL} --profiles {PROFILES} (log: {log})"):
            address = ["--host", "127.0.0.1", "--port", str(port)]
            url = stack.enter_context(running([*command, *address], port, log))
        with _step("4. The same prompts unsteered and steered, one at a time"):
            alone = asyncio.run(_ask_all(url, [*unsteered(STEERED), *STEERED], at_once=1))
        with _step("5. One mixed batch, sent at once"):
            asks = [*unsteered(MIXED), *MIXED]
            mixed = asyncio.run(_ask_all(url, asks, at_once=len(asks)))
        with _step("6. Stopping the server"):
            stack.close()
    console.print(table("One at a time", alone))
    console.print(table("One mixed batch", mixed))
    return alone + mixed


async def _ask_all(url: str, asks: Sequence[Ask], *, at_once: int) -> list[Answer]:
    turn = asyncio.Semaphore(at_once)
    async with AsyncOpenAI(
        base_url=f"{url}/v1", api_key="none", timeout=_REQUEST_SECONDS, max_retries=0
    ) as client:
        model = (await client.models.list()).data[0].id

        async def one(ask: Ask) -> Answer:
            async with turn:
                return await _ask(client, model, ask)

        return await asyncio.gather(*map(one, asks))


async def _ask(client: AsyncOpenAI, model: str, ask: Ask) -> Answer:
    reply = await client.completions.with_raw_response.create(
        model=model,
        prompt=ask.prompt,
        extra_body={"steering": dict(ask.steering)} if ask.steering else None,
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE,
        seed=SEED,
    )
    text = reply.parse().choices[0].text
    language, probability = identify(text)
    return Answer(
        ask=ask,
        text=text,
        language=language,
        probability=probability,
        repetitive=is_repetitive(text),
        applied=reply.headers.get("X-Steering-Profile"),
    )


def _conclude(answers: Sequence[Answer], seconds: float) -> int:
    summary = findings(answers)
    facts = {
        "model": MODEL,
        "max_tokens": MAX_TOKENS,
        "temperature": TEMPERATURE,
        "seed": SEED,
        "seconds": round(seconds, 1),
    }
    write(OUT, answers, summary, facts)
    console.print(f"\n{summary.line()}", style="bold")
    console.print(f"{len(answers)} answers in {OUT}/demo.md and demo.json; {seconds:.0f} s in all.")
    if summary.steered:
        return 0
    console.print("Steering did nothing: that is a fault, please look at the log.", style="red")
    return 1


def _command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("langsteer")), *arguments]


def _langsteer(*arguments: str) -> None:
    console.print(f"  $ langsteer {' '.join(arguments)}", markup=False)
    subprocess.run(_command(*arguments), check=True)


@contextmanager
def _step(heading: str) -> Iterator[None]:
    console.print(f"\n{heading}", style="bold", markup=False)
    started = time.monotonic()
    yield
    console.print(f"  done in {time.monotonic() - started:.0f} s")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
