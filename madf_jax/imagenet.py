"""The mean and standard deviation of ImageNet's images, RGB in [0, 1].

The networks read images that are normalized by them. Apart from the networks, since who runs one
without JAX needs them, too.
"""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
