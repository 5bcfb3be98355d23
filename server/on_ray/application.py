"""`serve run server.on_ray.application:build model=MODEL profiles=DIR replicas=2`

The application of Ray Serve: a board, and replicas of `langsteer serve`. docs/ray.md has the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
from ray import serve
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from starlette.requests import Request
from starlette.responses import Response

from profiles.errors import ProfileError
from server.on_ray.board import Board, read_files
from server.on_ray.options import Options
from server.on_ray.replica import Replica, remote_board
from server.on_ray.update import NAMESPACE, told


class Langsteer:
    """The deployment's class: starts a `Replica` where Ray has placed it."""

    # Ray Serve awaits it.
    async def __init__(self, options: Options) -> None:  # type: ignore[misc]
        actor = ray.get_actor(options.name, namespace=NAMESPACE)
        name = serve.get_replica_context().replica_id.unique_id
        self._replica = Replica(options, remote_board(actor), name)
        await self._replica.start(dict(await actor.current.remote()))

    async def __call__(self, request: Request) -> Response:
        return await self._replica(request)

    async def check_health(self) -> None:
        await self._replica.check_health()

    def __del__(self) -> None:
        if replica := getattr(self, "_replica", None):
            replica.stop()


def build(args: Options | Mapping[str, Any]) -> Any:
    """The application, for `serve run`, `serve deploy` and `serve.run`.

    The board is made where this runs, unless there is one of that name, with the replicas of an
    earlier deployment: these get the folder's profiles first, or, if they refuse them, nothing is
    deployed.

    Args:
        args: see `Options`; from command lines and files as a mapping.

    Raises:
        ProfileError: the profile folder is not there, or holds a bad file, or running replicas
            refuse it.
        ValidationError: an argument is unknown or malformed.
    """
    options = args if isinstance(args, Options) else Options.model_validate(args)
    actor = ray.remote(Board).options(
        name=options.name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_restarts=-1,
        max_concurrency=1000,
        scheduling_strategy=NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        ),
    )
    # Here, and not in the first replica, it shows what is wrong with the folder.
    read_files(options.folder)
    board = actor.remote(options.folder, options.answer_seconds)
    report = ray.get(board.adopt.remote(options.folder, options.answer_seconds))
    if report["state"] == "refused":
        raise ProfileError("\n".join(told(report)))
    deployment = serve.deployment(
        Langsteer,
        name=options.name,
        num_replicas=options.replicas,
        max_ongoing_requests=options.max_ongoing_requests,
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
        health_check_period_s=5,
        health_check_timeout_s=30,
        # Answers under way come to their end first; other replicas take new requests.
        graceful_shutdown_timeout_s=120,
    )
    return deployment.bind(options)
