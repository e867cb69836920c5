"""What a tensor from a file must satisfy, and how a failure is reported.

Files come from strangers: names are shown by `repr`, so that a hostile one cannot break the line,
and lists stop after `_LISTED` names.
"""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.files import AnyPath

Shape = tuple[int, ...]

LARGEST_COUNT = 2**31 - 1
_LISTED = 10


@contextlib.contextmanager
def error_context(path: AnyPath) -> Iterator[None]:
    """Puts the file's name before a `UserError`'s message, and keeps it to one bounded line."""
    try:
        yield
    except UserError as error:
        message = textwrap.shorten(str(error), width=4000, placeholder=" ...")
        raise UserError(f"{path}: {message}") from None


def summarize_names(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = [f"and {len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return ", ".join(names[:_LISTED] + more)


def array(name: str, value: Any) -> np.ndarray:
    """The tensor called `name` as a NumPy array.

    Args:
        name: for the message.
        value: an array of NumPy or jax, or a tensor in a file, which is read now.

    Raises:
        UserError: it is anything else.
    """
    _require_tensor(name, value)
    return np.asarray(value)


def _require_tensor(name: str, value: Any) -> None:
    if not hasattr(value, "__array__"):
        raise UserError(f"{name!r} is a {type(value).__name__}, not a tensor")


def float_array(name: str, value: Any, *, negative: bool = True) -> np.ndarray:
    """A weight as float32: unchanged if it was, exactly widened from float16 and bfloat16.

    Args:
        name: for the message.
        value: a tensor of any shape and either byte order.
        negative: whether values below 0 are allowed.

    Raises:
        UserError: another dtype, a NaN, an infinity, or a value below 0 where there is none.
    """
    weight = array(name, value)
    if weight.dtype.newbyteorder("=").name not in ("float32", "float16", "bfloat16"):
        raise UserError(f"{name!r} is {weight.dtype}; weights are float32, float16 or bfloat16")
    weight = weight.astype(np.float32, copy=False)
    if not np.isfinite(weight).all():
        raise UserError(
            f"{name!r} holds NaN or infinite values; the file is damaged or its run diverged"
        )
    if not negative and (weight < 0).any():
        raise UserError(f"{name!r} holds negative values, which a mean of squares cannot be")
    return weight


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
    """The shape of each tensor; no tensor in a file is read for it.

    Raises:
        UserError: a value is no tensor.
    """
    for name, value in tensors.items():
        _require_tensor(name, value)
    return {name: tuple(value.shape) for name, value in tensors.items()}


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
        raise UserError(
            "; ".join(f"{kind}: {summarize_names(names)}" for kind, names in kinds if names)
        )
