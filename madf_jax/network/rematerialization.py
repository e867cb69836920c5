"""Trading time for memory: activations computed anew in the backward pass instead of kept."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn

Remat = Literal["none", "decoders", "everything"]


def level_call(level: nn.Module, remat: bool, **static: Any) -> Callable[..., Any]:
    """How a decoder or an encoder calls one of its levels.

    Args:
        level: the module.
        remat: keep only what goes into the level for the backward pass.
        **static: arguments that are not arrays.

    Returns:
        A function of the level's arrays, with the same parameters and the same results.
    """

    def call(module: nn.Module, *arrays: Any) -> Any:
        return module(*arrays, **static)

    return functools.partial(nn.remat(call) if remat else call, level)
