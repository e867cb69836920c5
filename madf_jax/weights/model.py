"""What a file of weights, or a checkpoint of a run, holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from madf_jax.network import MADF
from madf_jax.state.train_state import inference_fields
from madf_jax.weights.adam import Adam
from madf_jax.weights.generator import Tree


@dataclasses.dataclass(frozen=True)
class Weights:
    """A network with its weights; trees are plain nested dicts of arrays.

    Attributes:
        network: the network that they are the weights of. How it computes (`dtype`, `remat`) is not
            a matter of weights: these arguments are MADF's defaults.
        params: the parameters that training updates, float32.
        batch_stats: running statistics, float32, and their counts, int32.
        step: training steps taken.
        adam: the optimizer's state.
        ema: averaged parameters, a tree like params.
        vgg: the frozen VGG-16 trunk's params.
        metadata: JSON-able facts by name. Weights from a run have 'config': the run's config
            without the places of its files, so that `metadata['config']['data']['size']` is the
            side of the squares it was trained on, in pixels.
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
        """What inference applies and evaluation scores, by `inference_fields`.

        `{'params', 'batch_stats'}`, as the network's `apply` takes them.
        """
        fields = inference_fields(averaged=self.ema is not None)
        return {collection: getattr(self, field) for collection, field in fields.items()}

    @property
    def trained_variables(self) -> Tree:
        """What training goes on from: the parameters themselves, never their average."""
        return {"params": self.params, "batch_stats": self.batch_stats}
