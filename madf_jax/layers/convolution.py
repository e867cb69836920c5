"""Convolutions and their gradients, computed as suits the platform: the one place that decides.

TPUs and GPUs get XLA's convolution and the gradients that JAX derives from it. On a CPU, XLA
computes a convolution over many windows as fast as a product of matrices, but falls far behind for
the gradient of a kernel, for gradients that would have to turn a large kernel round, for long sums
over few windows, and for everything in float64. There the same sums are written as products of
matrices: nothing but the order of sums differs. What each of them gains stands in docs/speed.md.

Axes: N batch; H, W rows and columns in; I, J out; C, O channels in and out; k the side of a window.
"""

import functools
import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype, Initializer
from jax import lax

Function = Callable[..., jax.Array]

# Where products of matrices overtake XLA's convolution, by `madf_jax benchmark` on two x86 cores.
_HARDLY_ANY_WINDOWS = 4
_FEW_WINDOWS = 64
_LONG_SUM = 4096
_WINDOWS_PER_FEATURE = 20
_SHIFTED_FROM = 4 / 3
# Numbers that a kernel's gradient lays out at a time: so many, or so many times the kernel's.
_LAID_OUT = 2**20
_LAID_OUT_PER_TAP = 4


def convolution(x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 0) -> jax.Array:
    """Convolution with one stride and one zero padding for rows and columns.

    It can be differentiated in reverse mode only.

    Args:
        x: (N, H, W, C), floating.
        kernel: (k, k, C, O), of the same dtype.
        stride: between windows.
        padding: zeros around the image, on each side.

    Returns:
        (N, I, J, O), I = (H + 2 * padding - k) // stride + 1 and J alike.
    """
    on_cpu = functools.partial(_on_cpu, stride=stride, padding=padding)
    elsewhere = functools.partial(_native, stride=stride, padding=padding)
    return _by_platform(on_cpu, elsewhere)(x, kernel)


def transposed_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution of kernel 4, stride 2 and padding 1.

    Output row 2h + a (a = 0, 1, the phase) sees only the input rows h - 1 + a and h + a, through
    two taps of the four kernel rows; columns alike. The kernel is kept by tap and phase: then one
    2x2 convolution computes all four phases on a CPU, without a step that moves the kernel.

    Args:
        x: (N, H, W, C), floating.
        kernel: (2, 2, C, 2, 2, O), of the same dtype: tap along rows and columns, channels in,
            phase along rows and columns, channels out. Tap t of phase a is row 2t + a of the
            kernel of a convolution over the zero-stuffed input padded by 2.

    Returns:
        (N, 2H, 2W, O).
    """
    return _by_platform(_by_phases, _over_stuffed_zeros)(x, kernel)


class Conv(nn.Module):
    """A convolution with bias whose padding keeps the size, or halves it at stride 2.

    Attributes:
        width: channels out, O.
        size: k, odd.
        stride: 1 or 2.
        kernel_init: of the kernel (k, k, C, O); the bias starts at 0.
        dtype: of computation; None takes the promoted dtype of input and parameters.
        param_dtype: of storage.
    """

    width: int
    size: int
    stride: int = 1
    kernel_init: Initializer = nn.initializers.lecun_normal()
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(N, H, W, C) to (N, H / stride, W / stride, O)."""
        shape = (self.size, self.size, x.shape[-1], self.width)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.width,), self.param_dtype)
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return convolution(x, kernel, self.stride, self.size // 2) + bias


def _by_platform(on_cpu: Function, elsewhere: Function) -> Function:
    """One function of arrays, computed in one of two ways, and so are its gradients."""

    @jax.custom_vjp
    def function(*arrays: jax.Array) -> jax.Array:
        return lax.platform_dependent(*arrays, cpu=on_cpu, default=elsewhere)

    def forward(*arrays: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        return function(*arrays), arrays

    def backward(arrays: tuple[jax.Array, ...], y_bar: jax.Array) -> tuple[jax.Array, ...]:
        def pull(way: Function) -> Callable[..., tuple[jax.Array, ...]]:
            return lambda y_bar, *arrays: jax.vjp(way, *arrays)[1](y_bar)

        return lax.platform_dependent(y_bar, *arrays, cpu=pull(on_cpu), default=pull(elsewhere))

    function.defvjp(forward, backward)
    return function


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _on_cpu(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    size, _, channels, _ = kernel.shape
    windows = len(x) * math.prod(_counts(x, size, stride, padding))
    few = _FEW_WINDOWS if size**2 * channels >= _LONG_SUM else _HARDLY_ANY_WINDOWS
    if x.dtype == jnp.float64 or windows <= few:
        return _product(x, kernel, stride, padding)
    return _native(x, kernel, stride, padding)


def _forward(
    x: jax.Array, kernel: jax.Array, stride: int, padding: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _on_cpu(x, kernel, stride, padding), (x, kernel)


def _backward(
    stride: int, padding: int, residuals: tuple[jax.Array, jax.Array], y_bar: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    features = y_bar.shape[-1]
    if x.dtype == jnp.float64 or y_bar.size // features <= _WINDOWS_PER_FEATURE * features:
        x_bar = _input_gradient(x.shape, kernel, y_bar, stride, padding)
    else:
        (x_bar,) = jax.vjp(lambda x: _native(x, kernel, stride, padding), x)[1](y_bar)
    return x_bar, _kernel_gradient(x, kernel, y_bar, stride, padding)


_on_cpu.defvjp(_forward, _backward)


def _native(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    pads, layout = ((padding, padding),) * 2, ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=layout)


def _by_phases(x: jax.Array, kernel: jax.Array) -> jax.Array:
    n, height, width, channels = x.shape
    features = kernel.shape[-1]
    y = _on_cpu(x, kernel.reshape(2, 2, channels, 4 * features), 1, 1)
    y = y.reshape(n, height + 1, width + 1, 2, 2, features)
    rows = [
        jnp.stack([y[:, a : a + height, b : b + width, a, b] for b in range(2)], axis=3)
        for a in range(2)
    ]
    return jnp.stack(rows, axis=2).reshape(n, 2 * height, 2 * width, features)


def _over_stuffed_zeros(x: jax.Array, kernel: jax.Array) -> jax.Array:
    *_, channels, _, _, features = kernel.shape
    kernel = kernel.transpose(0, 3, 1, 4, 2, 5).reshape(4, 4, channels, features)
    pads, layout = ((2, 2), (2, 2)), ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(
        x, kernel, (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=layout
    )
    # In float32, libtpu 0.0.42 for v6e overflows its stack where it joins this convolution with the
    # bias and the batch statistics that follow.
    return lax.optimization_barrier(y) if y.dtype == jnp.float32 else y


def _product(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """All windows side by side, times the kernel."""
    windows = _windows(x, len(kernel), stride, padding)
    y = windows.reshape(-1, math.prod(kernel.shape[:3])) @ _matrix(kernel)
    return y.reshape(*windows.shape[:3], -1)


def _input_gradient(
    shape: tuple[int, ...], kernel: jax.Array, y_bar: jax.Array, stride: int, padding: int
) -> jax.Array:
    """What each window asks of its pixels, in one product; then the sum where windows overlap."""
    dtype = jnp.promote_types(y_bar.dtype, jnp.float32)  # of sums
    size, zero = len(kernel), jnp.zeros((), dtype)
    asked = lax.dot_general(
        _matrix(y_bar), _matrix(kernel), (((1,), (1,)), ((), ())), preferred_element_type=dtype
    )
    asked = asked.reshape(*y_bar.shape[:3], *kernel.shape[:3])

    def placed(row: int, column: int) -> jax.Array:
        edges = []
        for first, side, count in zip((row, column), shape[1:3], y_bar.shape[1:3], strict=True):
            low = first - padding
            edges.append((low, side - low - (count - 1) * stride - 1, stride - 1))
        return lax.pad(asked[:, :, :, row, column], zero, ((0, 0, 0), *edges, (0, 0, 0)))

    taps = (placed(row, column) for row in range(size) for column in range(size))
    return sum(taps, start=zero).astype(y_bar.dtype)


def _kernel_gradient(
    x: jax.Array, kernel: jax.Array, y_bar: jax.Array, stride: int, padding: int
) -> jax.Array:
    """The product, over all windows, of what they hold and of the gradient there.

    Either whole windows are laid out. Or, for stride 1, only their columns are, and the gradient by
    rows: a pixel of column j - x and a gradient of row i - y meet in tap (y, x), so one product
    gives all taps. That moves fewer numbers where there are many windows. Where much would be laid
    out, it is done by blocks of rows.
    """
    size, _, channels, features = kernel.shape
    _, height, width, _ = y_bar.shape
    count = y_bar.size // features
    at_a_time = max(_LAID_OUT, _LAID_OUT_PER_TAP * kernel.size)
    whole = count * size**2 * channels
    shifted = count * size * (channels + features)
    if stride > 1 or _SHIFTED_FROM * whole <= shifted + kernel.size:

        def by_windows(x: jax.Array, y_bar: jax.Array) -> jax.Array:
            windows = _windows(x, size, stride, 0)
            return _over_rows(windows.reshape(-1, size**2 * channels), _matrix(y_bar))

        operands = (_padded(x, padding, padding), stride, size - stride), (y_bar, 1, 0)
        product = _by_blocks(by_windows, height, whole // at_a_time, *operands)
        return product.reshape(kernel.shape).astype(kernel.dtype)

    across = _taps(width, size)

    def by_columns(x: jax.Array, y_bar: jax.Array) -> jax.Array:
        below = _taps(x.shape[1], size)[:, ::-1]
        columns = x[:, :, across].reshape(-1, size * channels)
        rows = y_bar[:, below[:, None, :], np.arange(width)[:, None]]
        return _over_rows(columns, rows.reshape(-1, size * features))

    operands = (_padded(x, padding, padding), 1, 0), (_padded(y_bar, size - 1, 0), 1, size - 1)
    product = _by_blocks(by_columns, height + size - 1, shifted // at_a_time, *operands)
    product = product.reshape(size, channels, size, features)
    return product.transpose(2, 0, 1, 3).astype(kernel.dtype)


def _by_blocks(
    product: Function, rows: int, blocks: int, *operands: tuple[jax.Array, int, int]
) -> jax.Array:
    """The sum of a product over blocks of rows, one block after another.

    Args:
        product: from a block of each operand to an array.
        rows: to sum over.
        blocks: to cut them into, at most; 0 is as good as 1.
        operands: each an array (N, H, W, C), how many of its rows belong to each row of the sum,
            and how many more a block needs below.
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
        return product(*cut)

    if blocks == 1:
        return part(0)
    return lax.fori_loop(1, blocks, lambda index, so_far: so_far + part(index), part(0))


def _over_rows(a: jax.Array, b: jax.Array) -> jax.Array:
    """(R, A) and (R, B) to (A, B), summed over R in at least float32."""
    dtype = jnp.promote_types(a.dtype, jnp.float32)
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=dtype)


def _windows(x: jax.Array, size: int, stride: int, padding: int) -> jax.Array:
    """(N, H, W, C) to (N, I, J, k, k, C)."""
    rows, columns = (_taps(n, size, stride) for n in _counts(x, size, stride, padding))
    return _padded(x, padding, padding)[:, rows[:, None, :, None], columns[None, :, None, :]]


def _counts(x: jax.Array, size: int, stride: int, padding: int) -> list[int]:
    """How many windows there are along rows and along columns."""
    return [(side + 2 * padding - size) // stride + 1 for side in x.shape[1:3]]


def _taps(count: int, size: int, stride: int = 1) -> np.ndarray:
    """Where the taps of each window lie along an axis, (count, k)."""
    return np.arange(count)[:, None] * stride + np.arange(size)


def _padded(x: jax.Array, rows: int, columns: int) -> jax.Array:
    return jnp.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))


def _matrix(x: jax.Array) -> jax.Array:
    """(..., C) to (all others, C)."""
    return x.reshape(-1, x.shape[-1])
