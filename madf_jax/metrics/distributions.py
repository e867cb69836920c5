"""Metrics of a whole set of images: distances between the distributions of Inception features.

Features are (N, D), floating, one row for each image; the rows of both sets are of the same images
in the same order. Everything is computed in float64.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import linalg
from sklearn.svm import LinearSVC


def fid(real: np.ndarray, painted: np.ndarray, ddof: int = 1) -> float:
    """Fréchet inception distance (Heusel et al., 2017), at least 0.

    |m - n|^2 + tr(C + D - 2 (C D)^(1/2)). With C = F^T F and D = G^T G, the eigenvalues of C D are
    the squared singular values of F G^T. Taken from those, the trace is exact where there are fewer
    images than features, too, and no root of a singular matrix is needed.

    Args:
        real: (N, D), features of the originals.
        painted: (M, D).
        ddof: what is taken off a count where covariances divide by it: 1, or 0 in StyleGAN's FID.

    Raises:
        ValueError: a set has fewer than two images.
    """
    if min(len(real), len(painted)) < 2:
        raise ValueError("FID needs two images or more in each set")
    (mean, root), (other_mean, other_root) = (_moments(f, ddof) for f in (real, painted))
    overlap = linalg.svd(root @ other_root.T, compute_uv=False).sum()
    distance = np.sum((mean - other_mean) ** 2) + np.sum(root**2) + np.sum(other_root**2)
    return max(0.0, float(distance - 2 * overlap))


def _moments(features: np.ndarray, ddof: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean, (D,), and a root F of the covariance F^T F, (min(N, D), D)."""
    features = np.asarray(features, np.float64)
    mean = features.mean(axis=0)
    centered = (features - mean) / np.sqrt(len(features) - ddof)
    if len(centered) > centered.shape[1]:
        (centered,) = linalg.qr(centered, mode="r")
        centered = centered[: centered.shape[1]]
    return mean, centered


class InceptionDiscriminative(NamedTuple):
    """The scores of CoModGAN (Zhao et al., 2021), percent, higher is better.

    Attributes:
        unpaired: U-IDS, the share of all images that a linear classifier takes for the other kind.
        paired: P-IDS, the share of painted images that it takes for more real than their originals.
    """

    unpaired: float
    paired: float


def inception_discriminative(real: np.ndarray, painted: np.ndarray) -> InceptionDiscriminative:
    """U-IDS and P-IDS, both from one linear support vector machine fit to all features.

    Args:
        real: (N, D), features of the originals.
        painted: (N, D), of what was painted into them.
    """
    if len(real) != len(painted):
        raise ValueError(f"P-IDS pairs images, got {len(real)} originals and {len(painted)}")
    features = np.concatenate([real, painted]).astype(np.float64)
    labels = np.repeat([1, 0], len(real))
    classifier = LinearSVC(dual=False).fit(features, labels)
    decisions = classifier.decision_function(features)
    return InceptionDiscriminative(
        unpaired=100 * (1 - classifier.score(features, labels)),
        paired=100 * float(np.mean(decisions[len(real) :] > decisions[: len(real)])),
    )


class SetMetric(NamedTuple):
    """How a metric of a set is computed and what tables call it.

    Attributes:
        heading: name and unit.
        preparation: of the images before Inception, by its name in
            `madf_jax.features.preparation`.
        compute: values from the features of originals and painted images.
        part: which of those values.
        higher_is_better: whether a larger value is the better one.
    """

    heading: str
    preparation: str
    compute: Callable[[np.ndarray, np.ndarray], Sequence[float]]
    part: int = 0
    higher_is_better: bool = False


def _fid_unbiased(real: np.ndarray, painted: np.ndarray) -> tuple[float]:
    return (fid(real, painted),)


def _fid_stylegan(real: np.ndarray, painted: np.ndarray) -> tuple[float]:
    return (fid(real, painted, ddof=0),)


SET_METRICS: dict[str, SetMetric] = {
    "fid_clean": SetMetric("FID clean", "clean", _fid_unbiased),
    "fid_legacy_pytorch": SetMetric("FID pytorch", "legacy_pytorch", _fid_unbiased),
    "fid_stylegan": SetMetric("FID stylegan", "stylegan", _fid_stylegan),
    "u_ids": SetMetric("U-IDS %", "stylegan", inception_discriminative, 0, True),
    "p_ids": SetMetric("P-IDS %", "stylegan", inception_discriminative, 1, True),
}
"""Metrics of sets by the name they have in reports."""

Features = Mapping[str, np.ndarray]
"""Features of a set, (N, D), by preparation."""


def score_sets(
    real: Features, painted: Features, metrics: Mapping[str, SetMetric]
) -> dict[str, float]:
    """The value of each metric by name; NaN below two images.

    Args:
        real: of the originals.
        painted: of what was painted into them, in the same order.
        metrics: to compute.
    """
    computed: dict[tuple[object, str], Sequence[float]] = {}
    values = {}
    for name, metric in metrics.items():
        pair = real[metric.preparation], painted[metric.preparation]
        if len(pair[0]) < 2:
            values[name] = math.nan
            continue
        key = metric.compute, metric.preparation
        if key not in computed:  # two metrics may share one classifier
            computed[key] = metric.compute(*pair)
        values[name] = computed[key][metric.part]
    return values
