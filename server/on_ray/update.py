"""`python -m server.on_ray.update`: new profiles for all replicas, or for none."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

NAMESPACE = "langsteer"


def main() -> int:
    """Ask the board, say what came of it; 1 where nothing was updated that should have been."""
    parser = argparse.ArgumentParser(
        prog="python -m server.on_ray.update",
        description="Have the board read its profile folder again, and bring what it holds to "
        "every replica. Ends with 1 where replicas refuse it: then nothing has changed.",
    )
    parser.add_argument("--name", default="langsteer", help="of the application's board")
    parser.add_argument("--address", default="auto", help="of the Ray cluster")
    parser.add_argument("--status", action="store_true", help="only say what is in force")
    parser.add_argument(
        "--end", action="store_true", help="end the board, once nothing is deployed any more"
    )
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    chosen = parser.parse_args()
    import ray

    try:
        ray.init(address=chosen.address, namespace=NAMESPACE, log_to_driver=False, logging_level=40)
        board = ray.get_actor(chosen.name, namespace=NAMESPACE)
    except ConnectionError as error:
        print(f"no Ray cluster at {chosen.address}: {error}", file=sys.stderr)
        return 1
    except ValueError:
        print(
            f"there is no board {chosen.name!r} on this cluster: deploy the application first, or "
            "give its --name",
            file=sys.stderr,
        )
        return 1
    if chosen.end:
        ray.kill(board)
        return 0
    method = board.status if chosen.status else board.update
    facts = ray.get(method.remote())
    if chosen.json:
        print(json.dumps(facts))
    else:
        print("\n".join(status(facts) if chosen.status else told(facts)))
    return 1 if facts.get("state") == "refused" else 0


def told(report: Mapping[str, Any]) -> list[str]:
    """Lines about an update, of `Board.update`."""
    count = len(report["replicas"])
    of_all = "1 replica" if count == 1 else f"{count} replicas"
    if report["state"] == "unchanged":
        return [f"Nothing to do: {of_all} and the folder have set {report['to']}."]
    changed = [
        f"{verb} {', '.join(report[verb])}" for verb in ("loaded", "removed") if report[verb]
    ]
    if report["state"] == "updated":
        lines = [f"Set {report['to']} is on offer in {of_all}: {'; '.join(changed)}."]
        trouble = "is not in step, and is brought there or replaced"
    else:
        lines = [f"Refused; all serve set {report['from']} as before."]
        trouble = "did not answer in time"
    lines += [f"{name}: {error}" for name, error in report["errors"].items()]
    return lines + [f"{name} {trouble}." for name in report["silent"]]


def status(facts: Mapping[str, Any]) -> list[str]:
    """Lines about what is in force, of `Board.status`."""
    return [
        f"Set {facts['set']}: {', '.join(facts['files'])}",
        *(
            f"{each['name']}, heard {each['heard_seconds_ago']:g} s ago"
            for each in facts["replicas"]
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
