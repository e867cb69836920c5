"""CelebA-HQ faces at 512x512 (tensorflow-datasets), trained as the PyTorch reference does.

python train.py --config=configs/celeba.py --workdir=runs/celeba \
  --config.masks.train_path=MASKS --config.masks.evaluation_path=HELD_OUT_MASKS

1,000,000 steps of 6 images. Images in folders instead: --config.data.source=folder
--config.data.train_path=...
--config.data.evaluation_path=...
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    """Its one split gives training and held-out faces; masks come from folders."""
    config = default.get_config()
    config.data.source = "tfds"
    config.data.tfds_name = "celeb_a_hq/512"
    config.data.train_split = "train[:28000]"
    config.data.evaluation_split = "train[28000:]"
    config.masks.source = "folder"
    return config
