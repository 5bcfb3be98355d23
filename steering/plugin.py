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
    if missing := install():
        logger.warning("langsteer is inactive: this vLLM lacks %s", "; ".join(missing))


@cache
def install() -> tuple[str, ...]:
    """Install the patches on the first call.

    Returns:
        What this vLLM lacks, in words; empty if the patches are in place.
    """
    from steering.engine import compat

    missing = compat.missing_seams()
    if not missing:
        from steering.engine import prefix_cache, runner_v1

        prefix_cache.install()
        runner_v1.install()
    return tuple(missing)
