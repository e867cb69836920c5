"""Stand-ins for the compiled network, whose outputs are known."""

import cv2
import numpy as np


class Doubling:
    """Gives back twice the known pixels and -1 in holes; records the shapes that it was run for.

    Args:
        multiple: of which sides must be.
        bytes_a_pixel: that it claims to take.
    """

    def __init__(self, multiple=8, bytes_a_pixel=100):
        self.multiple = multiple
        self.bytes_a_pixel = bytes_a_pixel
        self.shapes = []

    def __call__(self, image, mask):
        assert image.dtype == np.float32 and mask.dtype == np.uint8
        assert image.shape == (*mask.shape[:3], 3)
        assert not image.shape[1] % self.multiple and not image.shape[2] % self.multiple
        self.shapes.append(image.shape[:3])
        return np.where(mask > 0, 2 * image, np.float32(-1))

    def working_bytes(self, shape):
        return self.bytes_a_pixel * int(np.prod(shape))


class Blurring(Doubling):
    """Paints a blur of what is known, so that what a pixel becomes depends on its surroundings."""

    def __call__(self, image, mask):
        super().__call__(image, mask)
        known = mask[..., 0].astype(np.float32)
        blurred = []
        for one, where in zip(image, known, strict=True):
            total = cv2.GaussianBlur(np.where(where[..., None] > 0, one, 0), (0, 0), 5)
            weight = cv2.GaussianBlur(where, (0, 0), 5)
            blurred.append(total / np.maximum(weight, 1e-6)[..., None])
        return np.stack(blurred)


def box_hole(size, top, left, height, width):
    """A hole of these sides in an image without any other."""
    hole = np.zeros(size, bool)
    hole[top : top + height, left : left + width] = True
    return hole
