"""The weights that come with the package."""

from importlib import resources
from pathlib import Path

from madf_jax.errors import UserError

_NAME = "demo.safetensors"


def demo_weights() -> Path:
    """The file of the demo weights.

    Raises:
        UserError: this installation has none.
    """
    found = Path(str(resources.files("madf_jax"))) / "weights" / _NAME
    if found.is_file():
        return found
    raise UserError(
        "this installation comes without weights; name some by --weights: a PyTorch checkpoint of "
        "MADF (.pth), or a run of your own, for example runs/quickstart after `make quickstart`"
    )
