"""Convolutions as matrix products, for float64 on CPUs.

XLA computes a float64 convolution on a CPU by plain loops, but a product of matrices by a library
for them. So a comparison in float64 evaluates the program that JAX traced, each operation as it
stands but every convolution as windows laid side by side and one product. Only the order of sums
differs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxpr_as_fun


def with_products(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of trees of arrays, without convolutions; it can be compiled and derived.

    Convolutions inside of functions that are compiled on their own stay what they are.
    """

    def evaluate(*args: Any) -> Any:
        program, result = jax.make_jaxpr(function, return_shape=True)(*args)
        values = _evaluate(program.jaxpr, program.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(result), values)

    return evaluate


def _evaluate(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    values: dict[Any, Any] = dict(
        zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True)
    )

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    for equation in jaxpr.eqns:
        if equation.primitive is lax.conv_general_dilated_p:
            results = [_convolution(*map(read, equation.invars), **equation.params)]
        else:
            given = list(dict.fromkeys(v for v in equation.invars if not isinstance(v, Literal)))
            alone = jaxpr.replace(
                constvars=[], invars=given, outvars=equation.outvars, eqns=[equation]
            )
            results = jaxpr_as_fun(ClosedJaxpr(alone, ()))(*map(read, given))
        values |= zip(equation.outvars, results, strict=True)
    return list(map(read, jaxpr.outvars))


def _convolution(x: jax.Array, kernel: jax.Array, **params: Any) -> jax.Array:
    """The convolution of the axes and options that the network uses, which are checked."""
    layout = lax.conv_dimension_numbers(x.shape, kernel.shape, ("NHWC", "HWIO", "NHWC"))
    plain = params["dimension_numbers"] == layout
    plain &= params["lhs_dilation"] == params["rhs_dilation"] == (1, 1)
    plain &= params["feature_group_count"] == params["batch_group_count"] == 1
    if not plain:
        return lax.conv_general_dilated_p.bind(x, kernel, **params)
    height, width, channels, features = kernel.shape
    x = jnp.pad(x, ((0, 0), *params["padding"], (0, 0)))
    down, across = params["window_strides"]
    last_row = (x.shape[1] - height) // down * down
    last_column = (x.shape[2] - width) // across * across
    windows = [
        lax.slice(
            x,
            (0, i, j, 0),
            (len(x), i + last_row + 1, j + last_column + 1, channels),
            (1, down, across, 1),
        )
        for i in range(height)
        for j in range(width)
    ]
    return jnp.concatenate(windows, axis=-1) @ kernel.reshape(-1, features)
