"""Convolutions and their gradients as a CPU computes them fast.

On a CPU, XLA computes a convolution over many windows as fast as a matmul, but is far slower for
the gradient of a kernel, for gradients that flip a large kernel, for long sums over few windows,
and for everything in float64. There the same sums are written as matmuls: only the order of sums
differs. docs/speed.md has what each of them gains.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from madf_jax.layers import xla

# Where matmuls overtake XLA's convolution, measured by `madf-jax benchmark` on two x86 cores: up to
# so many windows; up to so many where each sums at least so many products; and for the gradient of
# the input, up to so many windows for each feature.
_MATMUL_MAX_WINDOWS = 4
_LONG_SUM_MAX_WINDOWS = 64
_LONG_SUM = 4096
_MAX_WINDOWS_PER_FEATURE = 20
# A kernel's gradient gathers columns instead of whole windows once windows are so much larger.
_COLUMNS_MIN_GAIN = 4 / 3
# Numbers that a kernel's gradient gathers at a time: so many, or so many for each of the kernel's.
_IM2COL_BUDGET = 2**20
_IM2COL_BUDGET_PER_WEIGHT = 4


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolution(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """As `madf_jax.layers.convolution.convolution`."""
    size, _, channels, _ = kernel.shape
    windows = len(x) * math.prod(_counts(x, size, stride, padding))
    long_sum = size**2 * channels >= _LONG_SUM
    most = _LONG_SUM_MAX_WINDOWS if long_sum else _MATMUL_MAX_WINDOWS
    if x.dtype == jnp.float64 or windows <= most:
        return _matmul(x, kernel, stride, padding)
    return xla.convolution(x, kernel, stride, padding)


def _forward(
    x: jax.Array, kernel: jax.Array, stride: int, padding: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolution(x, kernel, stride, padding), (x, kernel)


def _backward(
    stride: int, padding: int, residuals: tuple[jax.Array, jax.Array], y_bar: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    features = y_bar.shape[-1]
    if x.dtype == jnp.float64 or y_bar.size // features <= _MAX_WINDOWS_PER_FEATURE * features:
        x_bar = _input_gradient(x.shape, kernel, y_bar, stride, padding)
    else:
        (x_bar,) = jax.vjp(lambda x: xla.convolution(x, kernel, stride, padding), x)[1](y_bar)
    return x_bar, _kernel_gradient(x, kernel, y_bar, stride, padding)


convolution.defvjp(_forward, _backward)


def transposed_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """As `madf_jax.layers.convolution.transposed_convolution`, all four phases at once."""
    n, height, width, channels = x.shape
    features = kernel.shape[-1]
    y = convolution(x, kernel.reshape(2, 2, channels, 4 * features), 1, 1)
    y = y.reshape(n, height + 1, width + 1, 2, 2, features)
    rows = [
        jnp.stack([y[:, a : a + height, b : b + width, a, b] for b in range(2)], axis=3)
        for a in range(2)
    ]
    return jnp.stack(rows, axis=2).reshape(n, 2 * height, 2 * width, features)


def _matmul(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """All windows, gathered into one matrix, times the kernel."""
    windows = _windows(x, len(kernel), stride, padding)
    y = windows.reshape(-1, math.prod(kernel.shape[:3])) @ _matrix(kernel)
    return y.reshape(*windows.shape[:3], -1)


def _input_gradient(
    shape: tuple[int, ...], kernel: jax.Array, y_bar: jax.Array, stride: int, padding: int
) -> jax.Array:
    """One matmul gives each window's gradient by tap; overlapping taps are then added up."""
    dtype = jnp.promote_types(y_bar.dtype, jnp.float32)  # of sums
    size, zero = len(kernel), jnp.zeros((), dtype)
    by_tap = lax.dot_general(
        _matrix(y_bar), _matrix(kernel), (((1,), (1,)), ((), ())), preferred_element_type=dtype
    )
    by_tap = by_tap.reshape(*y_bar.shape[:3], *kernel.shape[:3])

    def placed(row: int, column: int) -> jax.Array:
        edges = []
        for first, side, count in zip((row, column), shape[1:3], y_bar.shape[1:3], strict=True):
            low = first - padding
            edges.append((low, side - low - (count - 1) * stride - 1, stride - 1))
        return lax.pad(by_tap[:, :, :, row, column], zero, ((0, 0, 0), *edges, (0, 0, 0)))

    taps = (placed(row, column) for row in range(size) for column in range(size))
    return sum(taps, start=zero).astype(y_bar.dtype)


def _kernel_gradient(
    x: jax.Array, kernel: jax.Array, y_bar: jax.Array, stride: int, padding: int
) -> jax.Array:
    """One matmul over all windows: their pixels times the gradient there.

    Either whole windows are gathered (im2col). Or, for stride 1, only their columns, and the
    gradient by rows: a pixel in column j + x and a gradient in row i - y meet in tap (y, x), so one
    matmul gives all taps. That moves less memory where there are many windows. Beyond a budget both
    proceed by blocks of rows.
    """
    size, _, channels, features = kernel.shape
    _, height, width, _ = y_bar.shape
    count = y_bar.size // features
    budget = max(_IM2COL_BUDGET, _IM2COL_BUDGET_PER_WEIGHT * kernel.size)
    by_window = count * size**2 * channels
    by_column = count * size * (channels + features)
    if stride > 1 or _COLUMNS_MIN_GAIN * by_window <= by_column + kernel.size:

        def by_windows(x: jax.Array, y_bar: jax.Array) -> jax.Array:
            windows = _windows(x, size, stride, 0)
            return _contract_rows(windows.reshape(-1, size**2 * channels), _matrix(y_bar))

        operands = (_padded(x, padding, padding), stride, size - stride), (y_bar, 1, 0)
        gradient = _sum_by_blocks(by_windows, height, by_window // budget, *operands)
        return gradient.reshape(kernel.shape).astype(kernel.dtype)

    across = _taps(width, size)

    def by_columns(x: jax.Array, y_bar: jax.Array) -> jax.Array:
        below = _taps(x.shape[1], size)[:, ::-1]
        columns = x[:, :, across].reshape(-1, size * channels)
        rows = y_bar[:, below[:, None, :], np.arange(width)[:, None]]
        return _contract_rows(columns, rows.reshape(-1, size * features))

    operands = (_padded(x, padding, padding), 1, 0), (_padded(y_bar, size - 1, 0), 1, size - 1)
    gradient = _sum_by_blocks(by_columns, height + size - 1, by_column // budget, *operands)
    gradient = gradient.reshape(size, channels, size, features)
    return gradient.transpose(2, 0, 1, 3).astype(kernel.dtype)


def _sum_by_blocks(
    function: Callable[..., jax.Array],
    rows: int,
    blocks: int,
    *operands: tuple[jax.Array, int, int],
) -> jax.Array:
    """The sum of a function over blocks of rows, one block after another.

    Args:
        function: from a block of each operand to an array.
        rows: to sum over.
        blocks: at most so many; 0 means 1.
        operands: each an array (N, H, W, C), how many of its rows belong to one row of the sum, and
            how many more rows a block needs below its own.
    """
    block = math.ceil(rows / max(blocks, 1))
    blocks = math.ceil(rows / block)
    arrays = []
    for array, step, more in operands:
        missing = blocks * block * step + more - array.shape[1]
        arrays.append(jnp.pad(array, ((0, 0), (0, max(missing, 0)), (0, 0), (0, 0))))

    def part(index: jax.Array | int) -> jax.Array:
        cut = (
            lax.dynamic_slice_in_dim(array, index * block * step, block * step + more, axis=1)
            for array, (_, step, more) in zip(arrays, operands, strict=True)
        )
        return function(*cut)

    if blocks == 1:
        return part(0)
    return lax.fori_loop(1, blocks, lambda index, so_far: so_far + part(index), part(0))


def _contract_rows(a: jax.Array, b: jax.Array) -> jax.Array:
    """(R, A) and (R, B) to (A, B), summed over R in at least float32."""
    dtype = jnp.promote_types(a.dtype, jnp.float32)
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=dtype)


def _windows(x: jax.Array, size: int, stride: int, padding: int) -> jax.Array:
    """(N, H, W, C) to (N, I, J, k, k, C)."""
    rows, columns = (_taps(n, size, stride) for n in _counts(x, size, stride, padding))
    return _padded(x, padding, padding)[:, rows[:, None, :, None], columns[None, :, None, :]]


def _counts(x: jax.Array, size: int, stride: int, padding: int) -> list[int]:
    """The number of windows along rows and along columns."""
    return [(side + 2 * padding - size) // stride + 1 for side in x.shape[1:3]]


def _taps(count: int, size: int, stride: int = 1) -> np.ndarray:
    """Positions of the taps of each window along an axis, (count, k)."""
    return np.arange(count)[:, None] * stride + np.arange(size)


def _padded(x: jax.Array, rows: int, columns: int) -> jax.Array:
    return jnp.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))


def _matrix(x: jax.Array) -> jax.Array:
    """(..., C) to (all others, C)."""
    return x.reshape(-1, x.shape[-1])
