"""Exported programs as a stranger might send them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import madf_jax
from madf_jax.errors import UserError
from madf_jax.inference.stablehlo_file import pack, unpack
from madf_jax.weights.description import describe_network

FACTS = {"uint8": True, "parameters": None, "metadata": {}}


def export(function, *shapes, dtype=np.uint8, **options):
    arrays = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    return bytes(jax.export.export(jax.jit(function), **options)(*arrays).serialize())


@pytest.fixture
def facts(make_network):
    return {"network": describe_network(make_network()), **FACTS}


@pytest.fixture
def image_program():
    return export(lambda image, mask: image, (1, 8, 8, 3), (1, 8, 8, 1), platforms=("cpu",))


def refused(path, content, match):
    path.write_bytes(content)
    with pytest.raises(UserError, match=match) as error:
        madf_jax.Inpainter.load(path)
    assert str(error.value).startswith(str(path)) and len(str(error.value)) < 1000


def test_program_and_facts_go_there_and_back():
    assert unpack(pack(b"program", {"a": [1, None]})) == (b"program", {"a": [1, None]})


@pytest.mark.parametrize("kept", [0, 1, 47, 0.5, -1])
def test_a_file_that_is_cut_short_is_refused(tmp_path, facts, image_program, kept):
    content = pack(image_program, facts)
    cut = content[: int(kept * len(content)) if isinstance(kept, float) else kept]
    refused(tmp_path / "m.stablehlo", cut, "is no whole export of madf_jax")


def test_a_file_with_a_changed_byte_is_refused(tmp_path, facts, image_program):
    content = bytearray(pack(image_program, facts))
    content[100] ^= 1
    refused(tmp_path / "m.stablehlo", bytes(content), "is damaged")


@pytest.mark.parametrize("content", [b"x" * 100, b"PK\x03\x04" + bytes(200)])
def test_something_else_is_refused(tmp_path, content):
    refused(tmp_path / "m.stablehlo", content, "is no whole export of madf_jax")


def test_what_jax_exports_without_this_package_is_refused(tmp_path, image_program):
    refused(tmp_path / "m.stablehlo", image_program, "is no whole export of madf_jax")


def test_a_sealed_file_that_holds_no_program_is_refused(tmp_path, facts):
    refused(tmp_path / "m.stablehlo", pack(b"\x10" * 500, facts), "no readable .stablehlo file")


def test_facts_that_describe_no_network_are_refused(tmp_path, image_program):
    refused(tmp_path / "m.stablehlo", pack(image_program, FACTS), "network must be described")


def test_a_program_of_other_arguments_is_refused(tmp_path, facts):
    program = export(lambda image: image, (1, 8, 8, 3), platforms=("cpu",))
    refused(tmp_path / "m.stablehlo", pack(program, facts), "other arguments than it says")


def test_a_program_for_another_platform_is_refused(tmp_path, facts):
    shapes = (1, 8, 8, 3), (1, 8, 8, 1)
    program = export(lambda image, mask: image, *shapes, platforms=("tpu",))
    refused(tmp_path / "m.stablehlo", pack(program, facts), "was exported for tpu, and this is cpu")


def test_a_program_that_calls_what_is_registered_is_refused(tmp_path, facts):
    def calls(image, mask):
        vectors, _ = jnp.linalg.qr(image[0, :, :, 0].astype(jnp.float32))  # LAPACK's
        return image + vectors.sum().astype(image.dtype)

    program = export(calls, (1, 8, 8, 3), (1, 8, 8, 1), platforms=("cpu",))
    refused(tmp_path / "m.stablehlo", pack(program, facts), "calls 'lapack")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        madf_jax.Inpainter.load(tmp_path / "m.stablehlo")
