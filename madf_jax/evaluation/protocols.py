"""Protocols by name: which metrics, in whose variants, so that no table mixes them.

docs/evaluation.md says what each is computed on and who uses it.
"""

import functools
from typing import NamedTuple

import numpy as np

from madf_jax.all_devices import OnAllDevices
from madf_jax.config.options import EvaluationOptions
from madf_jax.errors import UserError
from madf_jax.features.lpips import LPIPS, MIN_SIDE, Trunk
from madf_jax.metrics.distributions import SET_METRICS, SetMetric
from madf_jax.metrics.metric import METRICS, Metric
from madf_jax.weights.lpips import load_lpips


class Protocol(NamedTuple):
    """What a table is made of.

    Attributes:
        metrics: of each image, by name.
        set_metrics: of the whole set, by name in `SET_METRICS`.
    """

    metrics: tuple[str, ...]
    set_metrics: tuple[str, ...] = ()


_LPIPS: dict[str, Trunk] = {"lpips_alex": "alex", "lpips_vgg": "vgg"}

PROTOCOLS = {
    "basic": Protocol(("psnr", "ssim", "l1", "hole_l1")),
    "madf": Protocol(("psnr", "ssim", "l1", "hole_l1", "lpips_alex"), ("fid_clean",)),
    "mat": Protocol(("psnr", "ssim", "l1", "lpips_alex"), ("fid_stylegan", "u_ids", "p_ids")),
    "lama": Protocol(("ssim_lama", "lpips_vgg"), ("fid_legacy_pytorch",)),
    "edgeconnect": Protocol(("psnr_gray", "ssim_gray51", "mae_edgeconnect")),
    "all": Protocol((*METRICS, *_LPIPS), tuple(SET_METRICS)),
}
"""By the name that `evaluation.protocol` takes."""


def load_metrics(options: EvaluationOptions, size: int) -> dict[str, Metric]:
    """The metrics of each image that a protocol has, with the networks they need.

    Args:
        options: which protocol, and where weights are.
        size: pixels, height and width of the images.

    Raises:
        UserError: weights can't be read, or the images are too small for a metric.
    """
    names = PROTOCOLS[options.protocol].metrics
    smallest = {name: METRICS[name].min_side for name in names if name in METRICS}
    smallest |= {name: MIN_SIDE[_LPIPS[name]] for name in names if name in _LPIPS}
    largest = max(smallest, key=smallest.__getitem__)
    if size < smallest[largest]:
        raise UserError(
            f"data.size is {size}; {largest} of evaluation.protocol={options.protocol!r} needs "
            f"{smallest[largest]} or more"
        )
    return {
        name: METRICS[name] if name in METRICS else _load_lpips(_LPIPS[name], options)
        for name in names
    }


def set_metrics(options: EvaluationOptions) -> dict[str, SetMetric]:
    """The metrics of the whole set that a protocol has."""
    return {name: SET_METRICS[name] for name in PROTOCOLS[options.protocol].set_metrics}


def _load_lpips(trunk: Trunk, options: EvaluationOptions) -> Metric:
    files = {"alex": options.lpips_alex_weights, "vgg": options.lpips_vgg_weights}
    variables = load_lpips(trunk, files[trunk] or None)
    distance = OnAllDevices(LPIPS(trunk).apply, variables, options.batch_size, images_of=2)
    return Metric(f"LPIPS {trunk}", functools.partial(_without_masks, distance), False)


def _without_masks(
    distance: OnAllDevices, painted: np.ndarray, originals: np.ndarray, masks: np.ndarray
) -> np.ndarray:
    return distance(painted, originals)
