"""What a tensor out of a file must hold to, and how a failure is told.

Files come from strangers. Names are shown by `repr`, so that a hostile one cannot break the line,
and lists stop after `LISTED` names.
"""

from __future__ import annotations

import contextlib
import pathlib
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from madf_jax.errors import UserError

Shape = tuple[int, ...]

LISTED = 10
LARGEST_COUNT = 2**31 - 1


@contextlib.contextmanager
def about(path: pathlib.Path) -> Iterator[None]:
    """Puts the file's name before a `UserError`'s message, and keeps it to one bounded line."""
    try:
        yield
    except UserError as error:
        message = textwrap.shorten(str(error), width=4000, placeholder=" ...")
        raise UserError(f"{path}: {message}") from None


def listed(items: Iterable[str]) -> str:
    """The first `LISTED` items and how many more there are."""
    items = list(items)
    more = [f"and {len(items) - LISTED} more"] if len(items) > LISTED else []
    return ", ".join(items[:LISTED] + more)


def array(name: str, value: Any) -> np.ndarray:
    """The tensor called `name`, from NumPy or jax; anything but a tensor is refused."""
    if not hasattr(value, "__array__"):
        raise UserError(f"{name!r} is a {type(value).__name__}, not a tensor")
    return np.asarray(value)


def float_array(name: str, value: Any, *, negative: bool = True) -> np.ndarray:
    """A weight as float32, bit for bit if it was; float16 and bfloat16 are widened, which is exact.

    Args:
        name: what the message calls it.
        value: an array of any shape.
        negative: whether values below 0 are allowed.

    Raises:
        UserError: another dtype, a NaN, an infinity, or a value below 0 where there is none.
    """
    weight = array(name, value)
    if weight.dtype.name in ("float16", "bfloat16"):
        weight = weight.astype(np.float32)
    if weight.dtype != np.float32:
        raise UserError(f"{name!r} is {weight.dtype}; weights are float32, float16 or bfloat16")
    if not np.isfinite(weight).all():
        raise UserError(
            f"{name!r} holds NaN or infinite values; the file is damaged or its run diverged"
        )
    if not negative and (weight < 0).any():
        raise UserError(f"{name!r} holds negative values, which a mean of squares cannot be")
    return weight.astype(np.float32, copy=False)  # also brings a foreign byte order to ours


def whole_number(name: str, value: Any) -> int:
    """A count of steps, given as an int or a tensor of one element.

    Raises:
        UserError: not a whole number from 0 to 2^31 - 1, the largest int32.
    """
    number = np.asarray(value if np.isscalar(value) else array(name, value))
    if number.size != 1 or number.dtype.kind not in "iuf":
        raise UserError(f"{name!r} must be one whole number")
    count = number.item()
    if not 0 <= count <= LARGEST_COUNT or count != int(count):
        raise UserError(f"{name!r} is {count}, not a whole number from 0 to {LARGEST_COUNT}")
    return int(count)


def shapes_of(tensors: Mapping[str, Any]) -> dict[str, Shape]:
    """The shape of each tensor; anything but a tensor is refused by its name."""
    return {name: array(name, value).shape for name, value in tensors.items()}


def compare_shapes(found: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> None:
    """Refuses tensors that are missing, not known, or of another shape.

    Raises:
        UserError: names, with shapes, what either side lacks and what differs.
    """
    missing = [f"{name!r} {wanted[name]}" for name in wanted if name not in found]
    unknown = [f"{name!r} {found[name]}" for name in found if name not in wanted]
    differ = [
        f"{name!r} is {found[name]}, must be {shape}"
        for name, shape in wanted.items()
        if name in found and tuple(found[name]) != tuple(shape)
    ]
    kinds = (("missing", missing), ("not known", unknown), ("of another shape", differ))
    if missing or unknown or differ:
        raise UserError("; ".join(f"{kind}: {listed(names)}" for kind, names in kinds if names))
