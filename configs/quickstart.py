"""A small network on the embedded photographs: 5 minutes on two CPU cores.

python train.py --config=configs/quickstart.py --workdir=runs/quickstart
python eval.py --config=configs/quickstart.py --workdir=runs/quickstart

Needs no data. README.md lists the scores of its evaluation.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    """A narrow network, small crops and a short schedule."""
    config = default.get_config()

    config.network.depth = 4
    config.network.refinements = 1
    config.network.widths = (8, 16, 32, 32)
    config.network.skip_widths = (24, 48, 64, 64)
    config.network.mask_width = 8
    config.network.norm_hidden = 32

    # Minutes are too few for texture: the terms on VGG features weigh less than in a full training.
    config.objective.perceptual = 0.005
    config.objective.style = 0.5
    config.objective.tv = 0.2
    config.objective.feature_samples = 1

    config.data.size = 64
    config.data.resize_min = 72
    config.data.resize_max = 256
    config.data.channel_jitter = 0.5  # six photographs have few hues
    config.data.evaluation_crop = "random"

    config.optimizer.learning_rate = 2e-3
    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_steps = 50
    config.optimizer.beta2 = 0.99
    config.optimizer.clip_norm = 1.0

    config.training.batch_size = 16
    config.training.steps = 1200
    config.training.ema_decay = 0.995
    config.training.log_every = 50
    config.training.images_every = 400
    config.training.validate_every = 400
    config.training.checkpoint_every = 400

    config.evaluation.count = 64
    config.evaluation.validation_count = 32
    config.evaluation.batch_size = 32
    return config
