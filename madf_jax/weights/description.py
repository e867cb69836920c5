"""How deep and how wide a network is: in MADF's own arguments, from a file or from its shapes.

Files that this package writes hold the arguments. For others they are inferred from the shapes of a
few tensors; all shapes are compared with the network's afterwards, which finds what does not fit.
"""

from __future__ import annotations

import functools
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.options import options_of
from madf_jax.state.train_state import init_variables
from madf_jax.weights.checks import Shape, summarize_names
from madf_jax.weights.layouts import CONVOLUTION
from madf_jax.weights.names import reference_names

_OPTIONS = {name: rules for name, rules in options_of(MADF).items() if rules.shapes}
ARGUMENTS = tuple(_OPTIONS)
"""MADF's arguments that decide the shapes of its variables."""

_LEVEL = re.compile(
    r"(?:^(?:filter_gen|enc_conv|enc_up|deconv|att_conv|dec_ref\d+)_|/level_)(\d+)(?:[./]|$)"
)
_REFINEMENT = re.compile(r"(?:^dec_ref(\d+)_|refinement_decoder_(\d+)/)")


def describe_network(network: MADF) -> dict[str, Any]:
    """A network's `ARGUMENTS` as JSON can hold them."""
    arguments = {name: getattr(network, name) for name in ARGUMENTS}
    return {
        name: value if isinstance(value, int) else list(value) for name, value in arguments.items()
    }


def described_network(arguments: Any) -> MADF:
    """The network of `describe_network`'s result, which a stranger may have written.

    Raises:
        UserError: it lacks an argument or has another one, or a value is out of range.
    """
    if not isinstance(arguments, Mapping) or set(arguments) != set(ARGUMENTS):
        raise UserError(f"its network must be described by {', '.join(ARGUMENTS)}")
    network = MADF(
        **{
            name: rules.conform(f"its network's {name}", arguments[name])
            for name, rules in _OPTIONS.items()
        }
    )
    network_shapes(network)
    return network


def network_shapes(network: MADF) -> dict[str, Shape]:
    """The shape of each variable, by its path with the collection in front.

    Raises:
        UserError: the network's arguments are out of range.
    """
    arguments = {name: getattr(network, name) for name in ARGUMENTS}
    return _network_shapes(
        tuple((name, v if isinstance(v, int) else tuple(v)) for name, v in arguments.items())
    )


@functools.lru_cache(maxsize=32)  # tracing a network takes a second
def _network_shapes(arguments: tuple[tuple[str, Any], ...]) -> dict[str, Shape]:
    network = MADF(**dict(arguments))
    try:
        variables = jax.eval_shape(lambda: init_variables(network, jax.random.key(0)))
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"no such network: {error}") from None
    return {
        path: tuple(leaf.shape)
        for path, leaf in traverse_util.flatten_dict(variables, sep="/").items()
    }


def count_levels(names: Iterable[str]) -> tuple[int, int]:
    """How many levels and refinement decoders names imply, the reference's or ours.

    Raises:
        UserError: the names are not a generator's.
    """
    names = list(names)
    # Distinct numbers are counted, not the largest taken: one odd name then adds one level.
    levels = {found[1] for name in names if (found := _LEVEL.search(name))}
    refinements = {found[0] for name in names if (found := _REFINEMENT.search(name))}
    if len(levels) < 3:
        raise UserError(
            f"holds no generator of MADF; its names are "
            f"{summarize_names(map(repr, names)) or 'none'}"
        )
    if len(levels) > _limit("depth") or len(refinements) > _limit("refinements"):
        raise UserError(f"names {len(levels)} levels and {len(refinements)} refinement decoders")
    return len(levels), len(refinements)


def _limit(name: str) -> float:
    return _OPTIONS[name].maximum or math.inf


def infer_network(shapes: Mapping[str, Shape]) -> MADF:
    """The network that a file's shapes imply.

    A tensor that is missing counts as the default. Nothing implies `norm_hidden` without refinement
    decoders.

    Args:
        shapes: by the reference's names, or by our paths with the collection in front.

    Raises:
        UserError: the names are not a generator's.
    """
    depth, refinements = count_levels(shapes)
    kernels = _convolution_kernels(shapes, depth, refinements)
    default, levels = MADF(), range(1, depth + 1)

    def by_level(path: str, axis: int, published: Sequence[int]) -> list[int]:
        kernel_of = (kernels.get(f"encoder/level_{i}/{path}/kernel") for i in levels)
        return [
            kernel[axis] if kernel else published[min(i, len(published) - 1)]
            for i, kernel in enumerate(kernel_of)
        ]

    hidden = [kernel[3] for path, kernel in kernels.items() if path.endswith("/shared/kernel")]
    return MADF(
        depth=depth,
        refinements=refinements,
        kernel_sizes=_without_repeats(by_level("mask_conv", 0, default.kernel_sizes)),
        widths=_without_repeats(by_level("skip", 2, default.widths)),
        skip_widths=_without_repeats(by_level("skip", 3, default.skip_widths)),
        # One tensor out of step is then what gets refused, not all the others.
        mask_width=statistics.mode(by_level("mask_conv", 3, (default.mask_width,))),
        norm_hidden=statistics.mode(hidden or [default.norm_hidden]),
    )


def _convolution_kernels(
    shapes: Mapping[str, Shape], depth: int, refinements: int
) -> dict[str, Shape]:
    """Our shapes (k, k, I, O) of the plain convolutions' kernels that are there, by our paths."""
    found: dict[str, Shape] = {}
    for name in reference_names(depth, refinements):
        if name.layout is not CONVOLUTION:
            continue
        ours, theirs = shapes.get(f"params/{name.path}", ()), shapes.get(name.name, ())
        shape = ours or tuple(theirs[axis] for axis in (2, 3, 1, 0) if len(theirs) == 4)
        if len(shape) == 4 and min(shape) >= 1 and max(shape) <= _limit("widths"):
            found[name.path] = shape
    return found


def _without_repeats(values: Sequence[int]) -> tuple[int, ...]:
    """Without the entries at the end that repeat the one before: MADF repeats its last."""
    last = len(values)
    while last > 1 and values[last - 1] == values[last - 2]:
        last -= 1
    return tuple(values[:last])
