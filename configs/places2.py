"""Places2 at 512x512, trained like the PyTorch reference: 1,000,000 steps of 6 images.

python train.py --config=configs/places2.py --workdir=runs/places2 \
  --config.data.train_path=IMAGES --config.data.evaluation_path=HELD_OUT \
  --config.masks.train_path=MASKS --config.masks.evaluation_path=HELD_OUT_MASKS

Needs folders of images and of irregular masks, black where the hole is.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    """Folders of images and of irregular masks; everything else is the default."""
    config = default.get_config()
    config.data.source = "folder"
    config.data.check_files = "header"  # decoding 1.8 million images at the start takes hours
    config.masks.source = "folder"
    return config
