"""The command `inpaint`, run in this process."""

import numpy as np
import pytest
from PIL import ExifTags, Image

from madf_jax import weights
from madf_jax.__main__ import main
from madf_jax.inference.inpainter import Inpainter
from tests.inference.fakes import Blurring


@pytest.fixture
def quick(make_network, make_variables, monkeypatch):
    """No weights are read and nothing is compiled."""
    network = make_network(refinements=0)
    variables = make_variables(network)

    def load(path, **options):
        inpainter = Inpainter(network, variables, trained_width=20, **options)
        inpainter._any_size._network = Blurring(8)
        return inpainter

    monkeypatch.setattr(Inpainter, "load", load)


@pytest.fixture
def folder(tmp_path):
    """Three images, one of them broken, and a mask."""
    generator = np.random.default_rng(0)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.png"):
        pixels = generator.integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    (tmp_path / "in" / "c.jpg").write_bytes(b"no image")
    mask = np.full((40, 60), 255, np.uint8)
    mask[10:20, 30:50] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def inpaint(folder, image="in", mask="mask.png", output="out", *options):
    paths = [f"--image={folder / image}", f"--mask={folder / mask}", f"--output={folder / output}"]
    return main(["inpaint", *paths, "--weights=w", *options])


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_bad_file_is_reported_the_rest_is_painted_and_the_status_is_1(quick, folder, capsys):
    assert inpaint(folder) == 1
    printed = capsys.readouterr()
    assert printed.out == f"Painted 2 of 3 images: {folder / 'out'}\n"
    assert printed.err.splitlines() == [
        f"madf-jax: {folder / 'in' / 'c.jpg'}: not a JPEG, PNG, WebP, BMP or TIFF image"
    ]
    known = pixels(folder / "mask.png") > 127
    for name in ("a.png", "deep/b.png"):
        before, after = pixels(folder / "in" / name), pixels(folder / "out" / name)
        np.testing.assert_array_equal(after[known], before[known])
        assert np.any(after[~known] != before[~known])


def test_when_all_are_good_the_status_is_0(quick, folder, capsys):
    (folder / "in" / "c.jpg").unlink()
    assert inpaint(folder) == 0
    assert capsys.readouterr().err == ""


def test_the_api_gives_the_same_pixels(quick, folder):
    assert inpaint(folder, "in/a.png", "mask.png", "out.png") == 0
    painted = Inpainter.load("w")(folder / "in/a.png", folder / "mask.png")
    np.testing.assert_array_equal(pixels(folder / "out.png"), np.asarray(painted))


def test_compare_writes_before_and_after_side_by_side(quick, folder):
    assert inpaint(folder, "in/a.png", "mask.png", "out.png", "--compare") == 0
    sheet = pixels(folder / "out.png.compare.png")
    np.testing.assert_array_equal(sheet[:, :60], pixels(folder / "in/a.png"))
    np.testing.assert_array_equal(sheet[:, 60:], pixels(folder / "out.png"))


def test_options_reach_the_painting(quick, folder):
    outputs = {}
    for options in ((), ("--dilate=3",), ("--scale=4",), ("--feather=5",), ("--hole=white",)):
        assert inpaint(folder, "in/a.png", "mask.png", "out.png", *options) == 0
        outputs[options] = pixels(folder / "out.png").tobytes()
    assert len(set(outputs.values())) == len(outputs)


def test_so_does_the_detail_of_wide_holes(quick, folder):
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    Image.fromarray(noise).save(folder / "in/a.png")
    known = np.ones((160, 160), bool)
    known[50:110, 50:110] = False
    Image.fromarray(known).save(folder / "mask.png")
    outputs = {}
    for options in ((), ("--detail=0",), ("--detail=1",)):
        assert inpaint(folder, "in/a.png", "mask.png", "out.png", *options) == 0
        outputs[options] = pixels(folder / "out.png")[60:100, 60:100].std()
    assert outputs["--detail=1",] > outputs[()] > outputs["--detail=0",] + 5


def test_inputs_are_written_over_only_if_asked(quick, folder, capsys):
    (folder / "in" / "c.jpg").unlink()
    before = pixels(folder / "in/a.png")
    assert inpaint(folder, output="in") == 1
    assert "is an input" in capsys.readouterr().err
    np.testing.assert_array_equal(pixels(folder / "in/a.png"), before)
    assert inpaint(folder, "in", "mask.png", "in", "--overwrite") == 0
    assert np.any(pixels(folder / "in/a.png") != before)


def test_a_photograph_that_lies_on_its_side_is_painted_upright(quick, folder):
    image, block = Image.fromarray(pixels(folder / "in/a.png")), Image.Exif()
    block[ExifTags.Base.Orientation] = 6
    block[ExifTags.Base.Make] = "Maker"
    image.save(folder / "photo.png", exif=block.tobytes())
    upright = np.rot90(pixels(folder / "in/a.png"), -1)
    hole = np.zeros((60, 40), bool)
    hole[30:50, 10:15] = True
    Image.fromarray(~hole).save(folder / "as_shown.png")
    Image.fromarray(np.rot90(~hole)).save(folder / "as_stored.png")
    for mask in ("as_shown.png", "as_stored.png"):
        assert inpaint(folder, "photo.png", mask, "out.png") == 0
        after = pixels(folder / "out.png")
        np.testing.assert_array_equal(after[~hole], upright[~hole])
        assert np.any(after[hole] != upright[hole])
        with Image.open(folder / "out.png") as written:
            assert written.getexif().get(ExifTags.Base.Orientation, 1) == 1
            assert written.getexif()[ExifTags.Base.Make] == "Maker"


def test_remarks_on_a_mask_for_all_images_are_printed_once(quick, folder, capsys):
    (folder / "in" / "c.jpg").unlink()
    Image.open(folder / "mask.png").resize((30, 20)).save(folder / "small.png")
    assert inpaint(folder, mask="small.png") == 0
    assert capsys.readouterr().err.count("small.png: is 30x20 and was resized") == 1


def test_a_result_that_the_format_can_not_hold_is_refused_before_painting(
    quick, folder, capsys, monkeypatch
):
    image = Image.open(folder / "in/a.png").convert("RGBA")
    image.putalpha(9)
    image.save(folder / "in/a.png")
    monkeypatch.setattr(Inpainter, "paint", None)
    assert inpaint(folder, "in/a.png", "mask.png", "out.jpg") == 1
    assert "out.jpg: JPEG can't hold transparency; use one of" in capsys.readouterr().err


def test_an_image_that_can_not_be_painted_is_named_and_not_its_output(quick, folder, capsys):
    Image.new("LAB", (9, 9)).save(folder / "in/a.tif")
    assert inpaint(folder, "in/a.tif", "mask.png", "out.tif") == 1
    assert f"madf-jax: {folder / 'in/a.tif'}: has mode LAB, not one of" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["image", "mask"])
def test_what_is_missing_is_reported_once_before_weights_are_read(missing, folder, capsys):
    assert inpaint(folder, **{missing: "none"}) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"madf-jax: {folder / 'none'}: there is no such file or directory\n"


def test_an_output_that_can_not_be_written_ends_before_weights_are_read(folder, capsys):
    (folder / "file").touch()
    assert inpaint(folder, "in", "mask.png", "file/out") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"madf-jax: --output={folder / 'file/out'}")


def test_names_can_not_act_on_the_terminal(quick, folder, capsys):
    (folder / "in" / "\x1b[31m.png").write_bytes(b"no image")
    assert inpaint(folder) == 1
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale=0"], "scale must be 'auto' or a number of at least 1"),
        (["--dilate=-1"], "dilate must be"),
        (["--memory=0"], "memory_limit must be above 0"),
    ],
)
def test_wrong_options_end_in_one_line(options, message, quick, folder, capsys):
    assert inpaint(folder, "in", "mask.png", "out", *options) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0]


@pytest.mark.parametrize("option", ["--scale=half", "--quality=0", "--hole=red", "--dilate=x"])
def test_what_argparse_refuses_ends_with_2(option, folder, capsys):
    with pytest.raises(SystemExit) as error:
        inpaint(folder, "in", "mask.png", "out", option)
    assert error.value.code == 2


def test_weights_of_a_file_paint(make_network, make_variables, folder, capsys):
    network = make_network(refinements=0)
    variables = make_variables(network)
    stored = weights.Weights(network, variables["params"], variables["batch_stats"])
    weights.save(folder / "w.npz", stored)
    command = ["inpaint", f"--image={folder / 'in/a.png'}", f"--mask={folder / 'mask.png'}"]
    command += [f"--output={folder / 'out.png'}", f"--weights={folder / 'w.npz'}"]
    assert main(command) == 0
    assert pixels(folder / "out.png").shape == (40, 60, 3)
