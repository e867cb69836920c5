"""What a card says of a format: what it is, how it is used, and what wrong input does."""

from __future__ import annotations

from pathlib import Path

from madf_jax.export.request import Format, Request
from madf_jax.export.stablehlo import PLATFORMS
from madf_jax.weights import Weights


def describe_format(request: Request, weights: Weights) -> str:
    """What it is, what goes in, what comes out."""
    kinds: dict[Format, str] = {
        "stablehlo": f"StableHLO by `jax.export`, for {', '.join(PLATFORMS)}",
        "onnx": "ONNX",
        "safetensors": "safetensors, by this package's names",
        "torch": "a checkpoint of the PyTorch reference",
        "hub": "`model.safetensors` by this package's names, and `config.json`",
        "web": "a page that paints in the browser, with the network as ONNX",
    }
    parts = [kinds[request.format]]
    if request.format in ("stablehlo", "onnx"):
        multiple = 2**weights.network.depth
        parts.append(f"any batch, height and width in multiples of {multiple}")
        parts.append("image in, composite out" if request.uint8 else "the bare network")
    parts += ["parameters in float16"] * (request.dtype == "float16")
    parts += ["parameters as the first argument"] * request.separate
    return "; ".join(parts)


def how_to_use(request: Request, weights: Weights, target: Path) -> str:
    """A program, with what it needs."""
    if request.format == "stablehlo":
        return _stablehlo(request, target)
    if request.format == "onnx":
        return _onnx(request, target)
    if request.format == "torch":
        return (
            "The PyTorch reference loads it strictly, and madf_jax reads it:\n\n"
            f"{_painting(target.name)}"
        )
    if request.format == "web":
        return (
            "Any static server serves the folder; nothing leaves the visitor's machine:\n\n"
            f"```\npython -m http.server --directory {target.name}\n```"
        )
    name = "hf://OWNER/NAME" if request.format == "hub" else target.name
    return _painting(name)


def _painting(name: str) -> str:
    return f"""```python
import madf_jax

inpainter = madf_jax.Inpainter.load("{name}")
painted = inpainter(image, mask)  # PIL images, NumPy arrays or paths; black marks the hole
```"""


def _stablehlo(request: Request, target: Path) -> str:
    first = "parameters, " if request.separate else ""
    lines = ["import jax"]
    if request.separate:
        lines.append("from safetensors.numpy import load_file")
    lines.append("")
    if request.separate:
        lines.append(f'parameters = load_file("{request.parameters(target).name}")')
    lines += [
        f'model = jax.export.deserialize(bytearray(open("{target.name}", "rb").read()))',
        f"output = jax.jit(model.call)({first}image, mask)",
    ]
    program = "\n".join(lines)
    needs = "jax, flatbuffers" + " and safetensors" * request.separate
    return f"With {needs}, without madf_jax:\n\n```python\n{program}\n```\n\n{_arrays(request)}"


def _onnx(request: Request, target: Path) -> str:
    return f"""With onnxruntime and NumPy:

```python
import onnxruntime

session = onnxruntime.InferenceSession("{target.name}")
(output,) = session.run(None, {{"image": image, "mask": mask}})
```

{_arrays(request)}"""


def _arrays(request: Request) -> str:
    if request.uint8:
        return (
            "`image` is (N, H, W, 3), uint8, RGB; `mask` (N, H, W, 1), uint8, 1 = known, 0 = hole; "
            "`output` (N, H, W, 3), uint8, the image with its holes painted."
        )
    return (
        "`image` is (N, H, W, 3), float32, RGB, as ImageNet is normalized: (x / 255 - (0.485, "
        "0.456, 0.406)) / (0.229, 0.224, 0.225); `mask` (N, H, W, 1), float32, 1 = known, 0 = "
        "hole; `output` is normalized like the image, and is the network's in known pixels, too."
    )


def wrong_input(request: Request, weights: Weights) -> str:
    """What happens to other sizes, dtypes and polarity, as tests/export hold it."""
    if request.format in ("stablehlo", "onnx"):
        lines = _refused(request, 2**weights.network.depth)
    elif request.format == "web":
        lines = [
            "Sizes: any of up to 50 megapixels; more are refused in one line.",
            "Files: whatever the browser decodes, of which 16 bits become 8; others are refused.",
            "Polarity: what is marked is painted.",
        ]
    else:
        lines = [
            "Sizes: any; images are padded and cut again.",
            "Dtypes: bool, uint8, uint16 and floats in [0, 1] are read as what they are; others "
            "are refused.",
            "Polarity: black, 0 and False mark the hole. A mask of the other polarity paints what "
            'should be kept; `hole="white"` reads it.',
        ]
    return "\n".join(f"- {line}" for line in lines)


def _refused(request: Request, multiple: int) -> list[str]:
    jax = request.format == "stablehlo"
    sizes = f"Sides that are no multiples of {multiple}, and a mask of another size than the image"
    lines = [
        f"{sizes}, are refused"
        + (" by JAX with the sizes." if jax else " by onnxruntime, without a clear reason."),
        "Other dtypes are refused by name" + (" (JAX: `Dtype mismatch`)." if jax else "."),
        "A mask of the other polarity can't be recognized: what should be kept is painted, from "
        "what is in the hole.",
    ]
    if request.uint8:
        lines.append("A mask of 0 and 255 is read as one of 0 and 1.")
    else:
        lines.append(
            "A mask of 0 and 255, and an image in [0, 255] or [0, 1], can't be recognized, and "
            "what comes out is wrong."
        )
    return lines
