"""A folder as people upload it to a hub: `model.safetensors`, `config.json` and `README.md`.

`madf_jax.weights.load` reads it. All that it needs stands in `model.safetensors`; `config.json`
says the same to people and to the hub, which counts downloads by it.
"""

from __future__ import annotations

import json
from pathlib import Path

from madf_jax.files import write_text
from madf_jax.network.pixels import IMAGENET_MEAN, IMAGENET_STD
from madf_jax.weights import Weights, save
from madf_jax.weights.description import describe_network
from madf_jax.weights.hub import CONFIG, MODEL


def write_hub_folder(weights: Weights, folder: Path, *, half: bool) -> None:
    """Writes all but the card.

    Args:
        weights: of the model.
        folder: that is made.
        half: parameters as float16.

    Raises:
        UserError: it can't be written.
    """
    config = {
        "model_type": "madf",
        "network": describe_network(weights.network),
        "sides_are_multiples_of": 2**weights.network.depth,
        "image_mean": IMAGENET_MEAN,
        "image_std": IMAGENET_STD,
        "mask": {"known": 1, "hole": 0},
        **({} if weights.step is None else {"step": weights.step}),
        **weights.metadata,
    }
    folder.mkdir(parents=True)
    save(folder / MODEL, weights, half=half)
    write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")
