"""Models as a hub has them: a folder, or `hf://owner/name`, which becomes one."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

from madf_jax.errors import UserError
from madf_jax.files import AnyPath

MODEL, CONFIG, CARD = "model.safetensors", "config.json", "README.md"

_SCHEME = "hf://"
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_ADDRESS = re.compile(rf"hf://({_PART}/{_PART})(?:@([A-Za-z0-9][A-Za-z0-9._/-]*))?")


def is_hub_address(given: str | os.PathLike[str]) -> bool:
    """Whether it is `hf://owner/name`, or meant as that."""
    return os.fspath(given).lower().startswith(_SCHEME)


def is_hub_folder(path: AnyPath) -> bool:
    """Whether a directory is a model's, and not that of a run."""
    return (path / MODEL).exists()


def hub_folder(address: str) -> Path:
    """The folder of a model in the local cache, downloaded if it is not there.

    Args:
        address: `hf://owner/name`, or with a branch, tag or commit, `hf://owner/name@revision`.

    Raises:
        UserError: the address is no such, the extra [hub] is not installed, or the model can't be
            had.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UserError(f"{address}: names no model; write hf://OWNER/NAME")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UserError(f"{address}: needs huggingface_hub: pip install 'madf-jax[hub]'") from None
    try:
        folder = snapshot_download(
            found[1], revision=found[2], allow_patterns=[MODEL, CONFIG, CARD]
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = textwrap.shorten(str(error), 200, placeholder=" ...")
        raise UserError(f"{address}: {reason}") from None
    if not is_hub_folder(Path(folder)):
        raise UserError(f"{address}: holds no {MODEL}")
    return Path(folder)
