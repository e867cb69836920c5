"""What a file of weights or a checkpoint of a run holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from madf_jax.network import MADF
from madf_jax.weights.adam import Adam

Tree = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Weights:
    """A network with its weights; trees are plain nested dicts of arrays.

    Attributes:
        network: the network that they belong to; its computation (dtype, rematerialization) is
            MADF's default.
        params: the parameters that training updates, float32.
        batch_stats: running statistics, float32, and their counts, int32.
        step: training steps taken.
        adam: the optimizer's state.
        ema: averaged parameters, a tree like params.
        vgg: the frozen VGG-16 trunk's params.
        metadata: JSON-able facts by name, for example how the weights were trained.
    """

    network: MADF
    params: Tree
    batch_stats: Tree
    step: int | None = None
    adam: Adam | None = None
    ema: Tree | None = None
    vgg: Tree | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def variables(self) -> Tree:
        """What inference uses and evaluation scores: the averaged parameters if there are any."""
        params = self.params if self.ema is None else self.ema
        return {"params": params, "batch_stats": self.batch_stats}

    @property
    def trained_variables(self) -> Tree:
        """What training goes on from: the parameters themselves, never their average."""
        return {"params": self.params, "batch_stats": self.batch_stats}
