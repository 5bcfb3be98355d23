"""What is compared: engines, and how their requests are steered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steering.bench.workload import Ask
from steering.request import SteeringRequest


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One side of the comparison.

    Attributes:
        name: in tables and JSON.
        engine: which engine runs it.
        steering: of the requests, in turn; empty for none.
        about: what it is, in words.
    """

    name: str
    engine: str
    steering: Sequence[SteeringRequest | None]
    about: str

    @property
    def steers(self) -> bool:
        return any(self.steering)

    def asks(self, drawn: Sequence[Ask]) -> list[Ask]:
        """The same requests as every arm gets, steered as this one steers."""
        if not self.steering:
            return list(drawn)
        extra = [request.to_extra_args() if request else None for request in self.steering]
        return [ask.steered(extra[n % len(extra)]) for n, ask in enumerate(drawn)]


STOCK, STOCK_AGAIN, STEERING = "stock", "stock again", "steering"


def arms(
    one: SteeringRequest, mix: Sequence[SteeringRequest | None], *, control: bool
) -> list[Arm]:
    """Stock vLLM first, which all others are compared with.

    Args:
        one: what all requests of "one" ask for.
        mix: what those of "mix" ask for.
        control: with a second stock engine, which shows what two equal engines differ by.
    """
    kinds = len(set(mix) - {None})
    unsteered = sum(request is None for request in mix)
    again = Arm(
        name=STOCK_AGAIN,
        engine=STOCK_AGAIN,
        steering=(),
        about="a second engine like the first: the error of the measurement",
    )
    return [
        Arm(name=STOCK, engine=STOCK, steering=(), about="vLLM without langsteer"),
        *([again] if control else []),
        Arm(name="idle", engine=STEERING, steering=(), about="langsteer, no request steered"),
        Arm(name="one", engine=STEERING, steering=[one], about="all requests on one profile"),
        Arm(
            name="mix",
            engine=STEERING,
            steering=mix,
            about=f"{kinds} kinds of steering, and {unsteered} of {len(mix)} requests unsteered",
        ),
    ]
