"""Trading time for memory: activations are recomputed in the backward pass instead of kept."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn

Remat = Literal["none", "decoders", "everything"]


def level_call(level: nn.Module, remat: bool, **static: Any) -> Callable[..., Any]:
    """A function that calls a level of an encoder or a decoder.

    Args:
        level: the module.
        remat: keep only the level's inputs for the backward pass.
        **static: arguments that are not arrays.

    Returns:
        A function of the level's arrays; `remat` changes neither parameters nor results.
    """

    def call(module: nn.Module, *arrays: Any) -> Any:
        return module(*arrays, **static)

    return functools.partial(nn.remat(call) if remat else call, level)
