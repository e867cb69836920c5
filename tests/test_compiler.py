"""What the compiler counts, for programs whose costs are known."""

import jax
import jax.numpy as jnp

from madf_jax.compiler import compile_counted

SIDE = 64
BYTES = 4 * SIDE**2


def test_a_matmul_is_counted():
    a = jnp.ones((SIDE, SIDE))
    compiled, costs = compile_counted(lambda: jax.jit(jnp.matmul).lower(a, a))
    assert compiled(a, a)[0, 0] == SIDE
    assert costs.flop == 2 * SIDE**3
    assert costs.accessed == 3 * BYTES
    assert (costs.arguments, costs.outputs) == (2 * BYTES, BYTES)
    assert costs.memory == 3 * BYTES + costs.temporaries + costs.program
    assert costs.seconds > 0


def test_a_result_in_the_memory_of_an_argument_is_not_counted():
    double = jax.jit(lambda a: 2 * a, donate_argnums=0)
    _, costs = compile_counted(lambda: double.lower(jnp.ones((SIDE, SIDE))))
    assert (costs.arguments, costs.outputs) == (BYTES, 0)
