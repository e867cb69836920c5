"""How far a computed number may be from a recorded one.

In float64 only the order of sums differs. In float32 each tolerance is about four times the largest
error over the recorded cases (docs/numbers.md). Gradients jump where a rectifier, a maximum or an
absolute value changes sides: in float64, perturbing the weights by float32's rounding (6e-8) alone
changes them by up to 7e-3. Adam divides such a jump by the gradient's own size.
"""

from collections.abc import Mapping

TOLERANCES: Mapping[str, Mapping[str, float]] = {
    "float64": {
        "activation": 1e-9,
        "output": 1e-9,
        "loss": 1e-9,
        "output in training": 1e-9,
        "loss in training": 1e-9,
        "gradient": 1e-7,
        "Adam step": 1e-7,
        "running statistics": 1e-7,
        "movement": 1e-7,
    },
    "float32": {
        "activation": 1e-5,
        "output": 1e-5,
        "loss": 1e-5,
        "output in training": 1e-5,
        "loss in training": 1e-5,
        "gradient": 3e-2,
        "Adam step": 1e-2,
        "running statistics": 1.5e-1,
        "movement": 2.5e-1,
    },
}
FACTOR = 2.0
"""Tolerance of a float32 output over the error of the reference's own float32, where recorded."""
ZERO = 1e-10
"""A gradient of a smaller norm is 0 in exact arithmetic: the bias before a batch norm."""
ZERO_NOTE = "zero but for rounding"
