"""Painting with ONNX files: what the Inpainter makes of them, without JAX, and which it refuses."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image

from madf_jax.__main__ import main
from madf_jax.errors import UserError
from madf_jax.export.onnx_model import write_onnx
from madf_jax.inference import command, onnx_file
from madf_jax.inference.inpainter import Inpainter
from madf_jax.inference.onnx_painter import OnnxPainter
from madf_jax.inference.onnx_shapes import live_bytes
from madf_jax.weights import Weights

ROOT = Path(__file__).parents[2]
WITHOUT_JAX = """
import sys
for name in ("jax", "jaxlib", "flax", "optax", "orbax", "clu", "grain", "scipy", "skimage",
             "safetensors", "ml_collections", "tensorflow_datasets", "matplotlib"):
    sys.modules[name] = None
from madf_jax.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def weights(make_network, make_variables):
    network = make_network(refinements=0)
    return Weights(network, **make_variables(network), metadata={"trained_hole_width": 6.5})


@pytest.fixture(scope="module")
def bare(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("bare") / "network.onnx"
    write_onnx(weights, path, uint8=False, dtype="float32")
    return path


@pytest.fixture(scope="module")
def composite(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("composite") / "network.onnx"
    write_onnx(weights, path, uint8=True, dtype="float32")
    return path


@pytest.fixture
def proto(bare):
    return onnx.load(bare)


def photograph(height=21, width=30):
    """An image of no convenient size, and a mask with a hole."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    known = np.ones((height, width), np.uint8)
    known[5:15, 8:20] = 0
    return image, known


def test_a_file_paints_as_its_weights_do(bare, composite, weights):
    image, known = photograph()
    wanted = Inpainter(weights.network, weights.variables)(image, known, scale=1)
    for path in (bare, composite):
        inpainter = Inpainter.load(path)
        assert inpainter.trained_width == 6.5
        painted = inpainter(image, known, scale=1)
        assert np.abs(painted.astype(int) - wanted).max() <= 1
        assert (painted != image).any()


def test_an_image_beyond_the_memory_limit_is_painted_in_tiles(bare):
    image, known = photograph(40, 700)
    limit = 1.1 * OnnxPainter(bare).working_bytes((1, 256, 256))
    inpainters = [Inpainter.load(bare), Inpainter.load(bare, memory_limit=limit)]
    assert [len(one._any_size._tiles((256, 700))) > 1 for one in inpainters] == [False, True]
    whole, tiled = (one(image, known, margin=700).astype(int) for one in inpainters)
    np.testing.assert_array_equal(tiled[known == 1], image[known == 1])
    assert np.abs(whole - tiled).max() < 64 and (tiled != image).any()


def test_the_command_paints_where_jax_is_not_installed(bare, tmp_path):
    image, known = photograph()
    Image.fromarray(image).save(tmp_path / "image.png")
    Image.fromarray(known * 255).save(tmp_path / "mask.png")
    places = {name: tmp_path / f"{name}.png" for name in ("image", "mask", "output")}
    flags = [f"--{name}={place}" for name, place in places.items()]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_JAX, "inpaint", f"--weights={bare}", *flags],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    painted = np.asarray(Image.open(tmp_path / "output.png"))
    np.testing.assert_array_equal(painted, Inpainter.load(bare)(image, known))


def test_a_size_that_does_not_fit_is_refused_in_one_line(bare):
    image, mask = np.zeros((1, 12, 16, 3), np.float32), np.ones((1, 12, 16, 1), np.uint8)
    with pytest.raises(UserError, match=r"can't run the network on 1x12x16 pixels: .*Concat"):
        OnnxPainter(bare)(image, mask)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused(share, bare, tmp_path):
    content = bare.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"cut\.onnx: is no (whole|readable)"):
        OnnxPainter(path)


def add_node(proto, *args, **attributes):
    proto.graph.node.append(helper.make_node(*args, **attributes))


def describe(proto, text):
    proto.metadata_props[0].value = text


def put_elsewhere(proto):
    tensor = proto.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    tensor.ClearField("raw_data")


def add_branch(proto):
    branch = helper.make_graph([], "branch", [], [])
    add_node(proto, "If", ["mask"], ["x"], then_branch=branch, else_branch=branch)


def grow(proto):
    """What makes of the image one of 4**12 times as many pixels."""
    for i in range(12):
        add_node(proto, "Concat", [f"big{i}" if i else "image"] * 4, [f"big{i + 1}"], axis=1)


def spoil_data(proto):
    proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-4]


SPOILED = {
    "foreign": (lambda proto: proto.ClearField("metadata_props"), "written by something else"),
    "no JSON": (lambda proto: describe(proto, "{"), "its description has no network"),
    "no depth": (lambda proto: describe(proto, '{"network": {}}'), "its description has no"),
    "a loop": (lambda proto: add_node(proto, "Loop", ["a"], ["b"]), "no export does: 'Loop'"),
    "own operators": (
        lambda proto: add_node(proto, "Conv", ["a"], ["b"], domain="com.evil"),
        "no export does: 'Conv'",
    ),
    "branches": (add_branch, "no export does: 'If'"),
    "another file": (put_elsewhere, "is in another file"),
    "two outputs": (lambda proto: add_node(proto, "Add", ["a"], ["b", "c"]), "not as an export's"),
    "a text": (
        lambda proto: add_node(proto, "Add", ["a"], ["b"], name="\x1b[31m\n", x=[b"s"]),
        "not as",
    ),
    "no inputs": (lambda proto: add_node(proto, "Relu", ["nowhere"], ["x"]), "refuses it|shape"),
    "other channels": (
        lambda proto: proto.graph.input[0].CopyFrom(
            helper.make_tensor_value_info("image", 1, ["n", "h", "w", 4])
        ),
        "shapes don't fit|inputs and outputs",
    ),
    "less data": (spoil_data, "refuses it"),
}


@pytest.mark.parametrize("spoil,reason", SPOILED.values(), ids=SPOILED)
def test_files_that_are_no_export_are_refused_in_one_line(spoil, reason, proto, tmp_path):
    spoil(proto)
    path = tmp_path / "spoiled.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(UserError, match=f"spoiled.onnx: .*({reason})") as caught:
        OnnxPainter(path)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_what_grows_without_end_is_not_run(proto, tmp_path):
    grow(proto)
    path = tmp_path / "growing.onnx"
    path.write_bytes(proto.SerializeToString())
    image, known = photograph()
    with pytest.raises(UserError, match="the memory limit is 1 GB, but a tile"):
        Inpainter.load(path)(image, known)


def test_files_that_are_too_large_are_refused_unread(bare, monkeypatch):
    monkeypatch.setattr(onnx_file, "_MOST_BYTES", 1000)
    with pytest.raises(UserError, match="bytes, more than the 1000 that ONNX files can"):
        OnnxPainter(bare)


def test_a_missing_package_is_named(bare, monkeypatch):
    monkeypatch.setattr(onnx_file.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package onnx: pip install 'madf-jax\[onnx\]'"):
        OnnxPainter(bare)


def test_live_bytes_are_those_of_a_chain_with_a_shortcut():
    """a is read again at the end, so that at most a, b and c are live: 2 * 4 * 4 * 4 bytes each."""
    info = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Relu", ["image"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Add", ["a", "d"], ["out"]),
    ]
    image, out = info("image", 1, ["n", "h", "w", 4]), info("out", 1, ["n", "h", "w", 4])
    model = helper.make_model(helper.make_graph(nodes, "chain", [image], [out]))
    assert live_bytes(model, (1, 2, 4)) == 3 * 2 * 4 * 4 * 4


@pytest.mark.parametrize("installed", [False, True])
def test_what_needs_jax_says_so_where_it_is_not_installed(installed, tmp_path, monkeypatch, capsys):
    def load_inpainter(args):
        raise ModuleNotFoundError("No module named 'flax'", name="flax")

    monkeypatch.setattr(command, "load_inpainter", load_inpainter)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "jax" if installed else None)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "image.png")
    flags = [f"--{name}={tmp_path / 'image.png'}" for name in ("image", "mask")]
    argv = ["inpaint", *flags, f"--output={tmp_path / 'out.png'}"]
    if installed:  # a mistake of this package or its installation
        with pytest.raises(ModuleNotFoundError, match="flax"):
            main(argv)
        return
    assert main(argv) == 1
    assert "this needs flax, and JAX is not installed" in capsys.readouterr().err


def test_the_small_install_has_the_versions_that_were_tested():
    def pins(name):
        lines = (ROOT / name).read_text().splitlines()
        pinned = [line.partition("#")[0].split("==") for line in lines if "==" in line]
        return {package.partition("[")[0]: version.strip() for package, version in pinned}

    small, whole = pins("requirements-paint.txt"), pins("requirements.txt")
    assert "onnxruntime" in small and "jax" not in small
    tested = whole | pins("requirements-dev.txt")
    assert small == {package: tested[package] for package in small}
