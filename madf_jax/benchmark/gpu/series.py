"""What is measured on a GPU, in which order, and the rows that come of it."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, get_args

What = Literal["train", "network"]
Dtype = Literal["bfloat16", "float32"]

# Parts of the time: compiling a step takes longest, and PyTorch compiles nothing.
_TRAIN, _NETWORK, _REFERENCE = 4, 2, 1
_GENEROSITY = 2


@dataclasses.dataclass(frozen=True)
class Series:
    """One thing that is measured at growing batches, in a process of its own.

    Attributes:
        what: 'train' is a step of training, 'network' inference.
        size: side of the images, pixels.
        dtype: of this package's computation. For the reference 'float32' is its own form,
            'bfloat16' with channels last and autocast.
        reference: whether it is the PyTorch reference.
    """

    what: What
    size: int
    dtype: Dtype
    reference: bool = False

    @property
    def weight(self) -> int:
        """Its part of the time, beside those of the others."""
        if self.reference:
            return _REFERENCE
        return _TRAIN if self.what == "train" else _NETWORK

    def __str__(self) -> str:
        """As a message names it."""
        whose = "of the reference" if self.reference else ""
        return " ".join(filter(None, (self.what, str(self.size), self.dtype, whose)))


@dataclasses.dataclass(frozen=True)
class Row:
    """One batch of a series.

    Attributes:
        series: that it belongs to.
        batch: images at a time.
        seconds: median of a run; None if it failed.
        memory: bytes. Of this package what the compiler plans (arguments, results, temporaries and
            program), of PyTorch what its allocator held at most.
        compile_seconds: to trace and compile; None for PyTorch.
        note: why it failed.
    """

    series: Series
    batch: int
    seconds: float | None = None
    memory: int | None = None
    compile_seconds: float | None = None
    note: str = ""

    @property
    def rate(self) -> float | None:
        """Images per second."""
        return None if self.seconds is None else self.batch / self.seconds


def all_series(sizes: Sequence[int], *, with_reference: bool) -> list[Series]:
    """Every series, the most important first: the first size, bfloat16, training."""
    return [
        Series(what, size, dtype, reference)
        for size in sizes
        for dtype in get_args(Dtype)
        for what in get_args(What)
        for reference in ((False, True) if with_reference else (False,))
    ]


def share(waiting: Sequence[Series], seconds: float) -> float:
    """The seconds that the first of those that wait may take, of so many for all of them.

    It may take twice its part, so the last ones may have none left: few rows of everything would
    say less than all rows of what matters most.
    """
    part = waiting[0].weight / sum(series.weight for series in waiting)
    return seconds * min(1.0, _GENEROSITY * part)
