"""Painting and scoring a data set, example by example."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from madf_jax.inference.classical import BASELINES
from madf_jax.inference.painter import Painter
from madf_jax.metrics.image_quality import all_metrics, psnr

NETWORK = "madf"
METHODS = (NETWORK, *BASELINES)


class Example(NamedTuple):
    """One held-out image and what became of it. Images are uint8 (H, W, 3).

    Attributes:
        image: the original.
        mask: (H, W, 1), uint8, 1 = known.
        output: the network's last output, before compositing.
        composites: by method.
        scores: by method and metric.
    """

    image: np.ndarray
    mask: np.ndarray
    output: np.ndarray
    composites: dict[str, np.ndarray]
    scores: dict[str, dict[str, float]]


def paint_batches(
    painter: Painter, variables: Any, batches: Iterable[dict[str, np.ndarray]], batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Image, mask, output and composite of each example, one by one."""
    for batch in batches:
        image, mask = batch["image"], batch["mask"]
        n = len(image)
        # A smaller last batch is filled up, so that the network is compiled for one shape.
        filled = [np.resize(array, (batch_size, *array.shape[1:])) for array in (image, mask)]
        output, composite = painter(variables, *filled)
        yield from zip(image, mask, output[:n], composite[:n], strict=True)


def score_examples(
    painter: Painter, variables: Any, batches: Iterable[dict[str, np.ndarray]], batch_size: int
) -> Iterator[Example]:
    """Scores the network and every baseline on the same images and masks.

    Args:
        painter: from `make_painter`.
        variables: of the network.
        batches: dicts of uint8 `image` (n, H, W, 3) and `mask` (n, H, W, 1), n <= batch_size.
        batch_size: of the batches but the last.
    """
    for image, mask, output, painted in paint_batches(painter, variables, batches, batch_size):
        composites = {name: fill(image, mask) for name, fill in BASELINES.items()}
        composites = {NETWORK: painted, **composites}
        scores = {name: all_metrics(c, image, mask) for name, c in composites.items()}
        yield Example(image, mask, output, composites, scores)


def mean_psnr(
    painter: Painter, variables: Any, batches: Iterable[dict[str, np.ndarray]], batch_size: int
) -> float:
    """Mean PSNR of the network's composites, decibels: what a validation measures."""
    painted = paint_batches(painter, variables, batches, batch_size)
    return mean([psnr(composite, image) for image, _, _, composite in painted])


def mean(values: list[float]) -> float:
    """Mean of the finite values (PSNR is infinite for equal images); NaN if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
