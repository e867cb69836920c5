"""Places2 at 512x512, trained like the PyTorch reference: 1,000,000 steps of 6 images.

python train.py --config=configs/places2.py --workdir=runs/places2 \
  --config.data.train_path=IMAGES --config.data.evaluation_path=HELD_OUT \
  --config.masks.train_path=MASKS --config.masks.evaluation_path=HELD_OUT_MASKS

Needs folders of images and of irregular masks, black where the hole is.

For a pod name it: configs/places2.py:v5e-16, :v5p-8 or :h100-8. See docs/pods.md.
"""

import ml_collections

from configs import default

DEVICES = {
    "v5e-16": 16,  # TPU v5e, 16 chips of 16 GB: 6 images on each
    "v5p-8": 4,  # TPU v5p, 8 cores in 4 chips of 95 GB: 24 images on each
    "h100-8": 8,  # one host of 8 H100 with 80 GB: 12 images on each
}
"""Accelerators whose settings were compiled, and how many devices they have."""

_POD_BATCH = 96  # images, 16 times the reference's


def get_config(accelerator: str = "") -> ml_collections.ConfigDict:
    """Folders of images and of irregular masks; everything else is the default.

    Args:
        accelerator: one of `DEVICES`, to see as many images in fewer and larger steps, computed in
            bfloat16; with the reference's learning rate.

    Raises:
        ValueError: the accelerator is none of them.
    """
    config = default.get_config()
    config.data.source = "folder"
    config.data.check_files = "header"  # decoding 1.8 million images at the start takes hours
    config.masks.source = "folder"
    if not accelerator:
        return config
    if accelerator not in DEVICES:
        raise ValueError(f":{accelerator} is none of the accelerators {', '.join(DEVICES)}")

    images = config.training.batch_size * config.training.steps
    config.training.batch_size = _POD_BATCH
    config.training.steps = images // _POD_BATCH
    config.network.dtype = "bfloat16"
    return config
