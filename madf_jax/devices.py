"""Whether JAX finds the devices that it is asked for."""

import jax

from madf_jax.errors import UserError


def require_devices() -> None:
    """Starts JAX's backend.

    Raises:
        UserError: the platform that `JAX_PLATFORMS` asks for is not there.
    """
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:
        reason = str(error)
        # An AssertionError without a text: JAX has plugins for the platform and none of them works.
        if reason and "Unable to initialize backend" not in reason:
            raise
        shown = " ".join(reason.split()) or "JAX finds no such device"
        asked = jax.config.read("jax_platforms")
        raise UserError(
            f"JAX_PLATFORMS={asked}: {shown}; install JAX for that device, or unset JAX_PLATFORMS "
            "to use what is there"
        ) from None
