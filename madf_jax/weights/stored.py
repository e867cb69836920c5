"""Tensors in an open file: headers are read first, data when it is asked for.

So a file is judged by the names and shapes in its headers before memory is taken for what they
declare, and what nobody asks for is never read.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.weights.checks import Shape

MAX_BYTES = 4 * 2**30  # of tensors in one file: ten times a network of the published size


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """A tensor in an open file.

    Attributes:
        shape: from the header.
        kind: of the file, for messages: '.npz', for example.
        read: reads the data.
    """

    shape: Shape
    kind: str
    read: Callable[[], np.ndarray]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The data, read now: NumPy's protocol.

        Raises:
            UserError: the data is damaged.
        """
        with damage_reported(self.kind):
            return np.asarray(self.read(), dtype)


@dataclasses.dataclass(frozen=True)
class Content:
    """What an open file holds.

    Attributes:
        tensors: `StoredTensor` by name. A PyTorch file may nest dicts and lists, with plain values
            between the tensors.
        description: JSON text that `write_tensors` was given.
    """

    tensors: Mapping[str, Any]
    description: str | None = None


def check_size(size: int) -> None:
    """Refuses a file that holds or declares more than `MAX_BYTES`."""
    if size > MAX_BYTES:
        raise UserError(f"holds or declares {size} bytes, more than the {MAX_BYTES} allowed")


@contextlib.contextmanager
def damage_reported(kind: str) -> Iterator[None]:
    """Turns whatever a parser raises on hostile bytes into a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise UserError("there is not enough memory to read it") from None
    except OSError as error:
        raise UserError(f"can't be read: {error.strerror or error}") from None
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"is no readable {kind} file: {reason}") from None
