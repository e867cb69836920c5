"""The quickstart's run with a network so narrow that it compiles in seconds, and without VGG-16."""

from typing import Any

import ml_collections

from configs import quickstart

NARROW: dict[str, Any] = {
    "network.depth": 3,
    "network.refinements": 0,
    "network.widths": (4, 6),
    "network.skip_widths": (6, 8),
    "network.mask_width": 3,
    "network.norm_hidden": 4,
    "objective.perceptual": 0.0,
    "objective.style": 0.0,
    "data.size": 16,
    "data.resize_min": 18,
    "data.resize_max": 64,
    "loader.num_threads": 1,
    "training.batch_size": 4,
    "training.log_every": 5,
    "training.compile_cache": False,  # tests share caches of their own
    "evaluation.validation_count": 2,
    "evaluation.batch_size": 2,
}


def narrow_config(**changes: Any) -> ml_collections.ConfigDict:
    """That config with changes by key."""
    config = quickstart.get_config()
    config.update_from_flattened_dict({**NARROW, **changes})
    return config
