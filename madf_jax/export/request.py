"""What is to be exported, and as what."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from madf_jax.errors import UserError

Format = Literal["stablehlo", "onnx", "safetensors", "torch", "hub", "web"]
FORMATS: tuple[Format, ...] = get_args(Format)
Dtype = Literal["float32", "float16"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)

# A format without a suffix is a folder.
_SUFFIXES: dict[Format, tuple[str, ...]] = {
    "stablehlo": (".stablehlo",),
    "onnx": (".onnx",),
    "safetensors": (".safetensors",),
    "torch": (".pth", ".pt"),
}
_WITH_COMPOSITE = ("stablehlo", "onnx")
_WITH_FLOAT16 = ("stablehlo", "onnx", "safetensors", "hub")


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be exported, and as what.

    Attributes:
        format: of `OUT`.
        uint8: image in, composite out, in 8 bits; otherwise the bare network.
        dtype: of the parameters; for ONNX, also of computation.
        separate: parameters in a file of their own.
        runtime: the package `onnxruntime-web` for a page; None takes npm's.
    """

    format: Format
    uint8: bool = False
    dtype: Dtype = "float32"
    separate: bool = False
    runtime: Path | None = None

    def __post_init__(self) -> None:
        """Raises UserError that names the first option that the format has not."""
        asked = {
            "--output-uint8": (self.uint8, _WITH_COMPOSITE),
            "--dtype": (self.dtype != "float32", _WITH_FLOAT16),
            "--separate-params": (self.separate, ("stablehlo",)),
            "--runtime": (self.runtime is not None, ("web",)),
        }
        for flag, (given, formats) in asked.items():
            if given and self.format not in formats:
                raise UserError(
                    f"--format={self.format} has no {flag}; {', '.join(formats)} "
                    f"ha{'ve' if len(formats) > 1 else 's'} it"
                )

    @property
    def is_folder(self) -> bool:
        """Whether what is written is a folder."""
        return self.format not in _SUFFIXES

    def files(self, target: Path) -> list[Path]:
        """What is written: the file or folder itself, what stands beside it, and its card.

        Raises:
            UserError: the target's suffix is not the format's.
        """
        suffixes = _SUFFIXES.get(self.format, ("",))
        if not self.is_folder and target.suffix.lower() not in suffixes:
            raise UserError(
                f"{target}: --format={self.format} writes {' or '.join(suffixes)} files"
            )
        if self.is_folder:
            return [target, target / "README.md"]
        beside = [self.parameters(target)] if self.separate else []
        return [target, *beside, target.with_suffix(".md")]

    def parameters(self, target: Path) -> Path:
        """The file of parameters beside a program."""
        return target.with_suffix(".safetensors")
