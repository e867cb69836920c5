"""Incremental supervision: more loss terms apply to finer outputs (paper, section III-D)."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from madf_jax.errors import UserError
from madf_jax.objective import terms
from madf_jax.options import check, option

TERMS = ("valid", "hole", "perceptual", "style", "tv")
Features = tuple[jax.Array, ...]
FeatureFunction = Callable[[jax.Array], Features]


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weights of the terms and the outputs that they supervise.

    `incremental_supervision` applies reconstruction to every output, the perceptual term from
    output min(1, J) on, style and total variation from output min(2, J) on; without it all terms
    apply to the last output only.

    `style_indexing='release'` repeats a slip of the PyTorch reference, for comparing numbers: with
    J = 2 the style term of output 2 reads the VGG features of output 1, so that output 2 gets no
    style gradient.

    `feature_samples` of each micro-batch of a device go through VGG: an unbiased estimate of the
    perceptual and style terms at a fraction of their cost.
    """

    valid: float = option(1.0, "weight of the L1 over known pixels", minimum=0)
    hole: float = option(6.0, "weight of the L1 over holes", minimum=0)
    perceptual: float = option(0.05, "weight of the difference of VGG features", minimum=0)
    style: float = option(120.0, "weight of the difference of their Gram matrices", minimum=0)
    tv: float = option(0.1, "weight of total variation", minimum=0)
    incremental_supervision: bool = option(True, "stricter terms on finer outputs only")
    style_indexing: Literal["intended", "release"] = option(
        "intended", "'intended', or 'release' (the reference's slip)"
    )
    feature_samples: int = option(0, "samples of a micro-batch that VGG sees; 0 = all", minimum=0)

    def __post_init__(self) -> None:
        """Raises UserError for a negative weight or an unknown option."""
        check("objective", self)

    def weight(self, term: str) -> float:
        """The weight of one of `TERMS`, a field of the same name."""
        return getattr(self, term)

    @property
    def needs_vgg(self) -> bool:
        """Whether a term with a positive weight compares VGG features."""
        return self.perceptual > 0 or self.style > 0

    def supervised_outputs(self, term: str, outputs: int) -> list[int]:
        """Indices of the outputs that `term` supervises.

        Args:
            term: one of `TERMS`.
            outputs: how many outputs there are.

        Raises:
            UserError: `style_indexing` is 'release' with more than three outputs, for which the
                reference's behavior is not known.
        """
        first = {"valid": 0, "hole": 0, "perceptual": 1, "style": 2, "tv": 2}[term]
        if not self.incremental_supervision:
            return [outputs - 1]
        indices = list(range(min(first, outputs - 1), outputs))
        if term != "style" or self.style_indexing == "intended":
            return indices
        if outputs > 3:
            raise UserError(
                "objective.style_indexing='release' is only known for network.refinements <= 2; "
                "use 'intended'"
            )
        return [min(index, 1) for index in indices]


def pixel_terms(output: jax.Array, image: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    """The terms of one output that compare pixels, unweighted.

    Args:
        output: (N, H, W, 3), float, normalized.
        image: (N, H, W, 3), float, normalized: the ground truth.
        mask: (N, H, W, 1), float, 1 = known.

    Returns:
        The scalars `valid`, `hole` and `tv`.
    """
    return {
        "valid": terms.valid(output, image, mask),
        "hole": terms.hole(output, image, mask),
        "tv": terms.total_variation(_composite(output, image, mask)),
    }


def feature_terms(
    output: jax.Array,
    image: jax.Array,
    mask: jax.Array,
    features: FeatureFunction,
    target: Features,
) -> dict[str, jax.Array]:
    """The terms of one output that compare features, unweighted.

    Args:
        output: as in `pixel_terms`, like `image` and `mask`.
        image: the ground truth.
        mask: 1 = known.
        features: VGG features of (N, H, W, 3) images.
        target: those of `image`.

    Returns:
        The scalars `perceptual` and `style`, each a mean over samples.
    """
    n = len(output)
    # One pass over both images: a larger batch uses the device better.
    both = features(jnp.concatenate([output, _composite(output, image, mask)]))
    halves = [phi[:n] for phi in both], [phi[n:] for phi in both]
    return {
        "perceptual": _sum(terms.perceptual(half, target) for half in halves),
        "style": _sum(terms.style(half, target) for half in halves),
    }


def total_loss(
    objective: Objective,
    outputs: Sequence[jax.Array],
    image: jax.Array,
    mask: jax.Array,
    features: FeatureFunction | None,
    *,
    remat: bool = False,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The weighted sum that training minimizes.

    Args:
        objective: weights and supervision.
        outputs: the images of the cascade, each (N, H, W, 3), float, normalized.
        image: (N, H, W, 3), float, normalized.
        mask: (N, H, W, 1), any real dtype, 1 = known.
        features: VGG features of images; may be None if no weight needs them.
        remat: compare the features of one sample after another, and recompute them in the backward
            pass: they take the memory of one sample, whatever N.

    Returns:
        The total, and each term's unweighted sum over the outputs it supervises, without terms of
        weight 0.

    Raises:
        ValueError: a weight needs VGG features and `features` is None.
    """
    if objective.needs_vgg and features is None:
        raise ValueError(
            "objective.perceptual or objective.style is positive, without VGG features"
        )
    used = {
        term: objective.supervised_outputs(term, len(outputs))
        for term in TERMS
        if objective.weight(term)
    }
    mask = mask.astype(image.dtype)
    values = [pixel_terms(output, image, mask) for output in outputs]
    compared = sorted({*used.get("perceptual", ()), *used.get("style", ())})
    if features is not None and compared:
        compare: Callable[..., Any] = functools.partial(_compare, features)
        samples = slice(objective.feature_samples or None)
        compare = _sample_by_sample(compare) if remat else compare
        more = compare([outputs[i][samples] for i in compared], image[samples], mask[samples])
        for index, value in zip(compared, more, strict=True):
            values[index] |= value
    sums = {term: _sum(values[index][term] for index in indices) for term, indices in used.items()}
    return _sum(objective.weight(term) * value for term, value in sums.items()), sums


def _compare(
    features: FeatureFunction, outputs: Sequence[jax.Array], image: jax.Array, mask: jax.Array
) -> list[dict[str, jax.Array]]:
    """The `feature_terms` of each output; the features of the image are computed once."""
    target = features(image)
    return [feature_terms(output, image, mask, features, target) for output in outputs]


def _sample_by_sample(compare: Callable[..., Any]) -> Callable[..., Any]:
    """`compare`, whose results are means over samples, with the memory of one sample."""

    @jax.checkpoint
    def compare_one(sample: Any) -> Any:
        return compare(*jax.tree.map(lambda x: x[None], sample))

    return lambda *arrays: jax.tree.map(jnp.mean, lax.map(compare_one, arrays))


def _composite(output: jax.Array, image: jax.Array, mask: jax.Array) -> jax.Array:
    return mask * image + (1 - mask) * output


def _sum(values: Iterable[jax.Array]) -> jax.Array:
    return sum(values, start=jnp.zeros(()))
