"""Entry point of vLLM's `vllm.general_plugins` group."""

from __future__ import annotations

import logging
from functools import cache

logger = logging.getLogger("vllm.langsteer")


def register() -> None:
    """Install the patches, once a process, whatever process this is.

    vLLM calls this in API servers, engine cores and workers, in some more than once. It
    changes nothing for an engine that was not asked to steer. On a vLLM without the seams
    it only logs: plain `vllm serve` must go on working beside an installed langsteer, and
    `langsteer serve` finds out by its handshake and refuses to start.
    """
    for name, missing in install().items():
        if missing:
            logger.warning(
                "langsteer is inactive on model runner %s: this vLLM lacks %s",
                name,
                "; ".join(missing),
            )


@cache
def install() -> dict[str, tuple[str, ...]]:
    """Install the patches on the first call, for every model runner that has the seams.

    Returns:
        What this vLLM lacks, in words, by name of the model runner; nothing where the
        patches are in place.
    """
    from steering.engine import admission, prefix_cache
    from steering.engine.runners import RUNNERS

    core_lacks = (*prefix_cache.missing(), *admission.missing())
    missing = {runner.name: (*core_lacks, *runner.missing()) for runner in RUNNERS}
    if not core_lacks:
        prefix_cache.install()
        admission.install()
    for runner in RUNNERS:
        if not missing[runner.name]:
            runner.install()
    return missing
