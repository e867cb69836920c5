"""Convolutions: every form equals the definition, and so do its gradients."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from madf_jax.layers import cpu, xla
from madf_jax.layers.convolution import Conv, convolution, transposed_convolution

# k, stride, padding, N, H, W, C, O: the kinds that the networks use, at sizes that all differ.
KINDS = [
    (7, 2, 3, 2, 8, 12, 3, 5),
    (5, 2, 2, 1, 6, 8, 4, 3),
    (3, 2, 1, 2, 6, 4, 2, 5),
    (3, 1, 1, 2, 5, 7, 3, 4),
    (2, 1, 1, 2, 4, 3, 3, 8),
    (1, 1, 0, 2, 3, 4, 6, 3),
]
SMALL_BUDGET = {"_IM2COL_BUDGET": 500, "_IM2COL_BUDGET_PER_WEIGHT": 0}
# Thresholds that force one form each.
FORMS = {
    "xla": {"_MATMUL_MAX_WINDOWS": 0, "_LONG_SUM_MAX_WINDOWS": 0, "_MAX_WINDOWS_PER_FEATURE": 0},
    "matmul": {"_MATMUL_MAX_WINDOWS": 10**9, "_MAX_WINDOWS_PER_FEATURE": 10**9},
    "by columns": {"_COLUMNS_MIN_GAIN": 10**9},
    "by windows": {"_COLUMNS_MIN_GAIN": 0},
    "by columns in blocks": {"_COLUMNS_MIN_GAIN": 10**9, **SMALL_BUDGET},
    "by windows in blocks": {"_COLUMNS_MIN_GAIN": 0, **SMALL_BUDGET},
}


@pytest.fixture
def force(monkeypatch):
    """Forces one of `FORMS`."""

    def force_form(form):
        for name, value in FORMS[form].items():
            monkeypatch.setattr(cpu, name, value)

    return force_form


def arguments(kind, dtype=np.float32):
    size, _, _, n, height, width, channels, features = kind
    generator = np.random.default_rng(size)
    x = generator.standard_normal((n, height, width, channels))
    kernel = generator.standard_normal((size, size, channels, features))
    return jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)


def by_definition(x, kernel, stride, padding):
    size = len(kernel)
    padded = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    rows, columns = ((side - size) // stride + 1 for side in padded.shape[1:3])
    y = np.zeros((len(x), rows, columns, kernel.shape[-1]))
    for i, j in itertools.product(range(rows), range(columns)):
        window = padded[:, stride * i : stride * i + size, stride * j : stride * j + size]
        y[:, i, j] = np.einsum("nyxc,yxco->no", window, kernel)
    return y


def plain(x, kernel, stride, padding):
    pads, layout = ((padding, padding),) * 2, ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=layout)


def value_and_gradients(convolve, x, kernel, stride, padding):
    def loss(x, kernel):
        y = convolve(x, kernel, stride, padding)
        return jnp.sum(y * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)), y

    gradients, y = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(x, kernel)
    return y, *gradients


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}x{kind[0]} by {kind[1]}")
def test_every_form_equals_the_definition_and_its_gradients(kind, form, force):
    force(form)
    x, kernel = arguments(kind)
    found = value_and_gradients(convolution, x, kernel, *kind[1:3])
    expected = value_and_gradients(plain, x, kernel, *kind[1:3])
    np.testing.assert_allclose(found[0], by_definition(x, kernel, *kind[1:3]), rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}x{kind[0]} by {kind[1]}")
def test_float64_on_a_cpu_is_exact_and_uses_no_xla_convolution(kind):
    """XLA for CPU computes float64 convolutions by plain loops."""
    stride, padding = kind[1:3]
    with jax.enable_x64(True):
        x, kernel = arguments(kind, np.float64)
        found = value_and_gradients(convolution, x, kernel, stride, padding)
        expected = value_and_gradients(plain, x, kernel, stride, padding)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
        gradients = jax.jit(jax.grad(lambda x, k: convolution(x, k, stride, padding).sum(), (0, 1)))
        assert "convolution" not in operations(gradients, x, kernel, platform="cpu")


def operations(function, *arguments, platform):
    """The StableHLO operations that a function is lowered to."""
    lowered = jax.jit(function).trace(*arguments).lower(lowering_platforms=(platform,))
    return set(re.findall(r"stablehlo\.(\w+)", lowered.as_text()))


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_accelerators_get_xla_convolutions_where_a_cpu_gets_matmuls(platform, force):
    force("matmul")
    x, kernel = arguments(KINDS[0])
    gradients = jax.grad(lambda x, kernel: convolution(x, kernel, 2, 3).sum(), (0, 1))
    found = operations(gradients, x, kernel, platform=platform)
    assert "convolution" in found
    assert not {"dot_general", "gather"} & found
    on_cpu = operations(gradients, x, kernel, platform="cpu")
    assert {"dot_general", "gather"} <= on_cpu


def test_a_kernel_gradient_gathers_no_more_than_its_budget():
    """All columns at once would take 25 MB."""
    x, kernel = jnp.zeros((1, 256, 256, 16)), jnp.zeros((3, 3, 16, 16))
    gradient = jax.jit(lambda x, kernel: jax.vjp(lambda k: convolution(x, k, 1, 1), kernel)[1](x))
    memory = gradient.lower(x, kernel).compile().memory_analysis()
    # Two padded arrays of 4 MB, and the budget.
    assert memory.temp_size_in_bytes < 16e6


@pytest.mark.parametrize("form", ["xla", "matmul"])
def test_kernel_gradients_in_bfloat16_are_summed_in_float32(form, force):
    """A sum of 4096 ones in bfloat16 would stop at 256."""
    force(form)
    x, kernel = jnp.ones((1, 64, 64, 1), jnp.bfloat16), jnp.ones((1, 1, 1, 1), jnp.bfloat16)
    gradient = jax.jit(jax.grad(lambda kernel: convolution(x, kernel, 1, 0).sum()))(kernel)
    assert gradient.dtype == jnp.bfloat16
    assert gradient.item() == 4096


@pytest.mark.parametrize("stride", [1, 2])
def test_input_gradients_in_bfloat16_are_summed_in_float32(stride, force):
    """256 and eight ones: in bfloat16 each one would be lost."""
    force("matmul")
    size = 5
    x = jnp.ones((1, 16, 16, 1), jnp.bfloat16)
    kernel = jnp.ones((size, size, 1, 1), jnp.bfloat16).at[0, 0].set(256)
    gradient = jax.jit(
        jax.grad(lambda x: convolution(x, kernel, stride, 2).sum().astype(jnp.float32))
    )
    expected = jax.grad(lambda x: plain(x, kernel.astype(jnp.float32), stride, 2).sum())(
        x.astype(jnp.float32)
    )
    np.testing.assert_allclose(gradient(x).astype(jnp.float32), expected, rtol=2**-8)


def scatter_add(x, weight):
    """Kernel 4, stride 2, padding 1 by definition; `weight` (C, O, 4, 4) as PyTorch keeps it."""
    n, height, width, _ = x.shape
    canvas = np.zeros((n, 2 * height + 2, 2 * width + 2, weight.shape[1]))
    for h, w, ky, kx in itertools.product(range(height), range(width), range(4), range(4)):
        canvas[:, 2 * h + ky, 2 * w + kx] += x[:, h, w] @ weight[:, :, ky, kx]
    return canvas[:, 1:-1, 1:-1]


@pytest.fixture
def transposed():
    """Input and kernel of a transposed convolution, the kernel by row and column (4, 4, C, O)."""
    generator = np.random.default_rng(0)
    return generator.standard_normal((2, 3, 5, 2)), generator.standard_normal((4, 4, 2, 3))


def by_phase(kernel):
    return kernel.reshape(2, 2, 2, 2, 2, 3).transpose(0, 2, 4, 1, 3, 5)


def test_transposed_convolution_equals_its_definition(transposed):
    x, kernel = transposed
    with jax.enable_x64(True):
        found = transposed_convolution(jnp.asarray(x), jnp.asarray(by_phase(kernel)))
    weight = kernel[::-1, ::-1].transpose(2, 3, 0, 1)
    np.testing.assert_allclose(found, scatter_add(x, weight), rtol=1e-12, atol=1e-12)


def test_both_forms_of_a_transposed_convolution_have_the_same_gradients(transposed):
    """By phases on a CPU; over the zero-stuffed input on accelerators."""
    with jax.enable_x64(True):
        x, kernel = (jnp.asarray(array) for array in (transposed[0], by_phase(transposed[1])))
        weights = jnp.cos(jnp.arange(2 * 6 * 10 * 3.0)).reshape(2, 6, 10, 3)
        ours, theirs = (
            jax.grad(lambda x, k, form=form: jnp.sum(weights * form(x, k)), (0, 1))(x, kernel)
            for form in (cpu.transposed_convolution, xla.transposed_convolution)
        )
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_accelerators_get_a_dilated_convolution_for_a_transposed_one(transposed):
    x, kernel = (
        np.asarray(array, np.float32) for array in (transposed[0], by_phase(transposed[1]))
    )
    text = jax.jit(transposed_convolution).trace(x, kernel).lower(lowering_platforms=("tpu",))
    assert "lhs_dilate = [2, 2]" in text.as_text()


def test_conv_computes_in_dtype_and_stores_in_param_dtype():
    conv = Conv(3, 5, strides=2, dtype=jnp.bfloat16)
    x = np.ones((1, 8, 6, 2), np.float32)
    variables = conv.init(jax.random.key(0), x)
    shapes = {name: (leaf.shape, leaf.dtype) for name, leaf in variables["params"].items()}
    assert shapes == {"kernel": ((5, 5, 2, 3), np.float32), "bias": ((3,), np.float32)}
    y = conv.apply(variables, x)
    assert (y.shape, y.dtype) == ((1, 4, 3, 3), jnp.bfloat16)


def test_conv_adds_its_bias():
    ones = {"params": {"kernel": np.ones((3, 3, 2, 1), np.float32), "bias": np.full(1, 0.5, "f4")}}
    y = Conv(1, 3).apply(ones, np.ones((1, 3, 3, 2), np.float32))
    np.testing.assert_array_equal(
        y[0, :, :, 0], np.array([[8, 12, 8], [12, 18, 12], [8, 12, 8]]) + 0.5
    )
