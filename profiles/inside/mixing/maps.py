"""The maps of one layer: how far each source reaches each target, scope by scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerMaps:
    """Norm-based maps of a decoder layer (Kobayashi et al. 2021, 2024). No torch.

    Attributes:
        layer: index, from 0.
        scopes: names of the stages, see `Layout.scopes`.
        norms: [scopes, T, T], ‖x_{i←j}‖ of target i and source j; zero above the diagonal.
        context: [scopes, T], ‖Σ_{j≠i} x_{i←j}‖ over tokens j.
        edit: [scopes, T], norm of the part that is a steering edit's; zero without one.
        completeness: by stage, the largest ‖Σ_j x_{i←j} − x_i‖ / ‖x_i‖ over targets, x_i what the
            model itself computed.
    """

    layer: int
    scopes: tuple[str, ...]
    norms: Array
    context: Array
    edit: Array
    completeness: Mapping[str, float]

    @property
    def own(self) -> Array:
        """[scopes, T], ‖x_{i←i}‖."""
        return np.diagonal(self.norms, axis1=1, axis2=2)

    def scope(self, name: str) -> Array:
        """[T, T] of one stage."""
        return np.asarray(self.norms[self.scopes.index(name)])
