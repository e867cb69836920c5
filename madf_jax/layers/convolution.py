"""Convolutions that each platform computes in its own fast form, and the layer made of them.

TPUs and GPUs compute XLA's convolutions (`xla`), a CPU mostly matmuls (`cpu`).
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype, Initializer
from jax import lax

from madf_jax.layers import cpu, xla

Function = Callable[..., jax.Array]

_only_xla = contextvars.ContextVar("only_xla", default=False)


@contextlib.contextmanager
def only_xla_convolutions() -> Iterator[None]:
    """Traces XLA's own convolutions for every platform, without the forms of a CPU.

    For programs that leave this machine: those forms depend on sizes, which an exported program
    leaves open. What was jitted before keeps its form.
    """
    token = _only_xla.set(True)
    try:
        yield
    finally:
        _only_xla.reset(token)


def convolution(x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 0) -> jax.Array:
    """Convolution with the same stride and zero padding along rows and columns.

    Only reverse-mode differentiation is supported.

    Args:
        x: (N, H, W, C), floating.
        kernel: (k, k, C, O), of the same dtype.
        stride: distance of windows.
        padding: zeros on each side.

    Returns:
        (N, I, J, O), I = (H + 2 * padding - k) // stride + 1, J likewise.
    """
    on_cpu = functools.partial(cpu.convolution, stride=stride, padding=padding)
    elsewhere = functools.partial(xla.convolution, stride=stride, padding=padding)
    return _by_platform(on_cpu, elsewhere)(x, kernel)


def transposed_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution of kernel 4, stride 2 and padding 1.

    Output row 2h + a (a = 0, 1 is the phase) depends only on the input rows h - 1 + a and h + a,
    through two of the four kernel rows; columns likewise. The kernel is stored by tap and phase, so
    that on a CPU one 2x2 convolution computes all four phases without transposing the kernel.

    Args:
        x: (N, H, W, C), floating.
        kernel: (2, 2, C, 2, 2, O), of the same dtype: tap along rows and columns, channels in,
            phase along rows and columns, channels out. Tap t of phase a is row 2t + a of the
            kernel of a convolution over the zero-stuffed input padded by 2.

    Returns:
        (N, 2H, 2W, O).
    """
    return _by_platform(cpu.transposed_convolution, xla.transposed_convolution)(x, kernel)


class Conv(nn.Module):
    """`flax.linen.Conv` with a square kernel, by `convolution` instead of XLA's on every platform.

    Its padding keeps the size, or halves it at stride 2.

    Attributes:
        features: channels out, O.
        kernel_size: k, odd.
        strides: 1 or 2.
        kernel_init: of the kernel (k, k, C, O); the bias starts at 0.
        dtype: of computation; None promotes the dtypes of input and parameters.
        param_dtype: of storage.
    """

    features: int
    kernel_size: int
    strides: int = 1
    kernel_init: Initializer = nn.initializers.lecun_normal()
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(N, H, W, C) to (N, H / strides, W / strides, O)."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), self.param_dtype)
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return convolution(x, kernel, self.strides, self.kernel_size // 2) + bias


def _by_platform(on_cpu: Function, elsewhere: Function) -> Function:
    """A function of arrays with two forms; its gradients are those of the form that runs."""
    if _only_xla.get():
        return elsewhere

    @jax.custom_vjp
    def function(*arrays: jax.Array) -> jax.Array:
        return lax.platform_dependent(*arrays, cpu=on_cpu, default=elsewhere)

    def forward(*arrays: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        return function(*arrays), arrays

    def backward(arrays: tuple[jax.Array, ...], y_bar: jax.Array) -> tuple[jax.Array, ...]:
        def pull(form: Function) -> Callable[..., tuple[jax.Array, ...]]:
            return lambda y_bar, *arrays: jax.vjp(form, *arrays)[1](y_bar)

        return lax.platform_dependent(y_bar, *arrays, cpu=pull(on_cpu), default=pull(elsewhere))

    function.defvjp(forward, backward)
    return function
