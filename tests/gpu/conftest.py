"""The device under test: the first GPU, or the CPU where JAX_PLATFORMS=cpu asks for a rehearsal."""

import jax
import pytest


@pytest.fixture(scope="session")
def device():
    found = jax.local_devices()[0]
    if found.platform not in ("gpu", "cuda", "rocm") and jax.config.jax_platforms != "cpu":
        pytest.exit(
            f"JAX finds no GPU here, only {found.platform}: install requirements-gpu.txt, or "
            "rehearse with JAX_PLATFORMS=cpu",
            returncode=1,
        )
    return found


@pytest.fixture(autouse=True)
def on_device(device):
    with jax.default_device(device):
        yield


@pytest.fixture(scope="session")
def cpu_device():
    return jax.local_devices(backend="cpu")[0]
