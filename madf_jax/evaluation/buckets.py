"""The ranges of hole share that tables of the field have a column for."""

BUCKETS = ("0.01-0.1", "0.1-0.2", "0.2-0.3", "0.3-0.4", "0.4-0.5", "0.5-0.6")
"""Names of the six ranges of NVIDIA's test masks; the upper end belongs to a range."""

OTHER = "other"
"""What is in none of them: at most 0.01, or more than 0.6."""


def bucket_of(share: float) -> str:
    """The range of a share of hole pixels, one of `BUCKETS` or `OTHER`."""
    for name in BUCKETS:
        least, most = map(float, name.split("-"))
        if least < share <= most:
            return name
    return OTHER
