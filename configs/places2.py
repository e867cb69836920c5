"""Places2 at 512x512, as the PyTorch reference trains it: 1,000,000 steps of 6 images.

python train.py --config=configs/places2.py --workdir=runs/places2 \
  --config.data.train_path=IMAGES --config.data.evaluation_path=HELD_OUT \
  --config.masks.train_path=MASKS --config.masks.evaluation_path=HELD_OUT_MASKS
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    """Folders of images and of irregular masks; everything else is the default."""
    config = default.get_config()
    config.data.source = "folder"
    config.data.check_files = "header"  # decoding 1.8 million images first would take hours
    config.masks.source = "folder"
    return config
