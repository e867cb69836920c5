"""CelebA-HQ faces at 512x512, trained like the PyTorch reference: 1,000,000 steps of 6 images.

python train.py --config=configs/celeba.py --workdir=runs/celeba \
  --config.masks.train_path=MASKS --config.masks.evaluation_path=HELD_OUT_MASKS

Needs folders of irregular masks, and tensorflow-datasets' celeb_a_hq/512 as array_record files;
without them the run ends with the command that prepares them. A folder of images serves as well:
--config.data.source=folder --config.data.train_path=IMAGES --config.data.evaluation_path=HELD_OUT
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    """The data set has one split: its last 2,000 faces are held out."""
    config = default.get_config()
    config.data.source = "tfds"
    config.data.tfds_name = "celeb_a_hq/512"
    config.data.train_split = "train[:28000]"
    config.data.evaluation_split = "train[28000:]"
    config.masks.source = "folder"
    return config
