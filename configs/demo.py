"""The demo weights: hours on two CPU cores, on free photographs that recipes/demo collects.

This is the last of the stages that recipes/demo/README.md lists.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    """A small network, crops of many scales, losses on VGG features that lead."""
    config = default.get_config()

    config.network.depth = 5
    config.network.refinements = 1
    config.network.widths = (12, 24, 48, 64)
    config.network.skip_widths = (32, 64, 96, 128)
    config.network.mask_width = 8
    config.network.norm_hidden = 48

    # On normalized values. The terms on VGG features lead: means alone leave holes blurred.
    config.objective.perceptual = 0.1
    config.objective.style = 20.0
    config.objective.tv = 0.1

    config.data.source = "folder"
    config.data.size = 64
    config.data.resize_min = 72
    config.data.resize_max = 400
    config.data.channel_jitter = 0.4
    config.data.evaluation_crop = "random"

    # Strokes and wide blobs: as wide in a crop as holes are in what is painted.
    config.masks.hole_min = 0.08
    config.masks.hole_max = 0.45
    config.masks.strokes = (1, 5)
    config.masks.stroke_width = (0.06, 0.3)
    config.masks.boxes = (0, 2)
    config.masks.box_side = (0.1, 0.4)

    config.optimizer.learning_rate = 1e-3
    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_steps = 100
    config.optimizer.beta2 = 0.99
    config.optimizer.clip_norm = 1.0

    config.training.batch_size = 8
    config.training.steps = 3000
    config.training.ema_decay = 0.995
    config.training.log_every = 50
    config.training.images_every = 600
    config.training.validate_every = 600
    config.training.checkpoint_every = 200

    config.evaluation.count = 99
    config.evaluation.validation_count = 66
    config.evaluation.batch_size = 33
    return config
