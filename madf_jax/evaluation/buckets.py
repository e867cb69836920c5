"""What a manifest calls the range that a share of hole is in."""

from madf_jax.evaluation.statistics import bucket_of

OTHER = "other"
"""What is in none of the ranges: at most 0.01, or more than 0.6."""


def bucket_name(share: float) -> str:
    """The range of a share of hole pixels, as statistics have it, or `OTHER`."""
    return bucket_of(share) or OTHER
