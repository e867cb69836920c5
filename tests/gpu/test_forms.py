"""Convolutions and dynamic filtering on a GPU: all forms and layouts are the same function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from madf_jax.layers import cpu, xla
from madf_jax.layers.convolution import convolution
from madf_jax.network.dynamic_filtering import filter_by_windows, filter_factored
from tests.layers.test_convolution import KINDS, arguments, value_and_gradients

pytestmark = pytest.mark.gpu

TOLERANCES = {"float32": 1e-4, "float64": 1e-11}
EACH_KIND = pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: f"{kind[0]}x{kind[0]} by {kind[1]}"
)


@pytest.fixture(params=TOLERANCES, autouse=True)
def dtype(request):
    with jax.enable_x64(request.param == "float64"), jax.default_matmul_precision("highest"):
        yield request.param


def assert_close(found, expected, dtype):
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        scale = float(np.abs(other).max())
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCES[dtype] * scale)


def channels_first(x, kernel, stride, padding):
    x, kernel = x.transpose(0, 3, 1, 2), kernel.transpose(3, 2, 0, 1)
    y = lax.conv_general_dilated(x, kernel, (stride, stride), ((padding, padding),) * 2)
    return y.transpose(0, 2, 3, 1)


@EACH_KIND
@pytest.mark.parametrize("form", ["layout", "matmuls"])
def test_other_forms_of_a_convolution_are_the_same_function(kind, form, dtype, monkeypatch):
    monkeypatch.setattr(cpu, "_MATMUL_MAX_WINDOWS", 10**9)
    monkeypatch.setattr(cpu, "_MAX_WINDOWS_PER_FEATURE", 10**9)
    other = {"layout": channels_first, "matmuls": cpu.convolution}[form]
    settings = (*arguments(kind, dtype), *kind[1:3])
    found, expected = (value_and_gradients(each, *settings) for each in (convolution, other))
    assert_close(found, expected, dtype)


@EACH_KIND
def test_a_convolution_and_its_gradients_equal_those_on_the_cpu(kind, dtype, cpu_device):
    found = value_and_gradients(convolution, *arguments(kind, dtype), *kind[1:3])
    with jax.default_device(cpu_device):
        expected = value_and_gradients(convolution, *arguments(kind, dtype), *kind[1:3])
    assert_close(found, expected, dtype)


def test_both_forms_of_a_transposed_convolution_are_the_same_function(dtype):
    generator = np.random.default_rng(0)
    shapes = (2, 5, 7, 3), (2, 2, 3, 2, 2, 4)
    x, kernel = (jnp.asarray(generator.standard_normal(shape), dtype) for shape in shapes)

    def value_and_gradients(form):
        y, pull = jax.vjp(jax.jit(form), x, kernel)
        return y, *pull(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    forms = (xla.transposed_convolution, cpu.transposed_convolution)
    assert_close(*map(value_and_gradients, forms), dtype)


def test_both_forms_of_dynamic_filtering_are_the_same_function(dtype):
    generator = np.random.default_rng(0)
    shapes = (2, 16, 24, 6), (2, 8, 12, 16), (7, 7, 6, 16, 16), (7, 7, 6, 16)
    arrays = [jnp.asarray(generator.standard_normal(shape), dtype) for shape in shapes]
    found, expected = (jax.jit(form)(*arrays) for form in (filter_factored, filter_by_windows))
    assert_close([found], [expected], dtype)
