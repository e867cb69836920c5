"""Networks that `madf-jax export` wrote as ONNX files, which may be a stranger's.

What is not refused here is a plain graph: a few operators of ONNX itself, constants that the file
holds, shapes that follow from the image's. Nothing here needs JAX.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madf_jax.errors import UserError
from madf_jax.files import require_regular_file
from madf_jax.weights.checks import error_context, summarize_names
from madf_jax.weights.stored import damage_reported

if TYPE_CHECKING:
    import onnx

SUFFIX = ".onnx"
DESCRIPTION = "madf_jax"
"""The entry of a file's metadata that describes the network, as JSON."""
OPERATORS = frozenset(
    (
        *("Add", "Cast", "Clip", "Concat", "Conv", "ConvTranspose", "Div", "Greater", "LeakyRelu"),
        *("Mul", "ReduceSum", "Relu", "Reshape", "Resize", "Round", "Shape", "Sub", "Transpose"),
        *("Unsqueeze", "Where"),
    )
)
"""What the exported graphs are made of."""

_MOST_BYTES = 2**31  # protobuf holds no more
_MOST_NODES = 10_000
_LONGEST = 2**20  # characters of a description
_DEEPEST = 16


@dataclasses.dataclass(frozen=True)
class OnnxFile:
    """A file that was found to be one of ours.

    Attributes:
        content: all of it.
        model: the same, parsed.
        facts: its description, as it stands there.
    """

    content: bytes
    model: onnx.ModelProto
    facts: dict[str, Any]

    @property
    def multiple(self) -> int:
        """Of which sides must be, in pixels."""
        return 2 ** int(self.facts["network"]["depth"])

    @property
    def metadata(self) -> dict[str, Any]:
        """Of the weights."""
        metadata = self.facts.get("metadata")
        return metadata if isinstance(metadata, dict) else {}


def read_onnx(path: Path) -> OnnxFile:
    """Reads a file and judges it.

    Raises:
        UserError: the packages of the extra [onnx] are not installed; or the file can't be read, is
            cut short, too large, of something else, or more than a plain graph.
    """
    require_packages(path)
    size = require_regular_file(path).st_size
    with error_context(path):
        if size > _MOST_BYTES:
            raise UserError(f"holds {size} bytes, more than the {_MOST_BYTES} that ONNX files can")
        with damage_reported(SUFFIX):
            content = path.read_bytes()
            model = _parsed(content)
        facts = _description(model)
        _check_graph(model)
        return OnnxFile(content, model, facts)


def require_packages(path: Path) -> None:
    """Refuses to go on without the packages of the extra [onnx].

    Raises:
        UserError: one is not installed.
    """
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"{path}: needs the package {package}: pip install 'madf-jax[onnx]'")


def _parsed(content: bytes) -> onnx.ModelProto:
    import onnx

    return onnx.load_model_from_string(content)


def _description(model: onnx.ModelProto) -> dict[str, Any]:
    """What the file says of its network.

    It stands at the file's end, so that no file that is cut short has one.
    """
    texts = [entry.value for entry in model.metadata_props if entry.key == DESCRIPTION]
    if len(texts) != 1 or len(texts[0]) > _LONGEST:
        raise UserError("is no whole export of madf_jax: cut short, or written by something else")
    try:
        facts = json.loads(texts[0])
    except (ValueError, RecursionError):
        facts = None
    network = facts.get("network") if isinstance(facts, dict) else None
    depth = network.get("depth") if isinstance(network, dict) else None
    if not isinstance(depth, int) or not 1 <= depth <= _DEEPEST:
        raise UserError(f"its description has no network of a depth from 1 to {_DEEPEST}")
    return facts


def _check_graph(model: onnx.ModelProto) -> None:
    """Refuses what the exported graphs don't have: other operators, subgraphs, other files."""
    import onnx

    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        raise UserError("holds functions, training or sparse constants, as no export does")
    if len(graph.node) > _MOST_NODES:
        raise UserError(f"holds {len(graph.node)} nodes, more than the {_MOST_NODES} allowed")
    strange = {repr(n.op_type) for n in graph.node if n.domain or n.op_type not in OPERATORS}
    if strange:
        raise UserError(f"holds operators that no export does: {summarize_names(sorted(strange))}")
    plain = {getattr(onnx.AttributeProto, kind) for kind in ("INT", "INTS", "FLOAT", "STRING")}
    for node in graph.node:
        if len(node.output) != 1 or any(a.type not in plain for a in node.attribute):
            raise UserError(f"its node {node.name!r} is not as an export's")
    for constant in graph.initializer:
        if constant.data_location or constant.external_data:
            raise UserError(f"its constant {constant.name!r} is in another file")
