"""Whether JAX has the devices that it is asked for."""

import contextlib
import sys
from collections.abc import Iterator

from madf_jax.errors import UserError


def require_devices() -> None:
    """Starts JAX's backend; must come after the processes of a job have been joined.

    Raises:
        UserError: the platform that `JAX_PLATFORMS` names is not available.
    """
    import jax

    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        # JAX has a plugin for CUDA and ROCm that finds no device: an AssertionError without a text.
        if reason and "Unable to initialize backend" not in reason:
            raise
        raise UserError(
            f"JAX_PLATFORMS={jax.config.values['jax_platforms']}: "
            f"{reason or 'JAX finds no such device'}; install JAX for that device, or unset "
            "JAX_PLATFORMS to use what is available"
        ) from None


@contextlib.contextmanager
def device_errors() -> Iterator[None]:
    """Turns an error inside into one line if its cause is that `require_devices` fails.

    A command that did not import JAX goes on without it.

    Raises:
        UserError: the platform that `JAX_PLATFORMS` names is not available.
    """
    try:
        yield
    except (AssertionError, RuntimeError):
        if "jax" in sys.modules:
            require_devices()
        raise
