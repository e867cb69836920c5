"""Results of other programs: a thousand files, some of them not what they should be."""

import logging as std_logging
import re

import numpy as np
import pytest
from PIL import ExifTags, Image

from madf_jax.data.options import LoaderOptions
from madf_jax.errors import UserError
from madf_jax.evaluation.evaluator import Evaluator
from madf_jax.evaluation.manifest_examples import manifest_dataset
from madf_jax.evaluation.manifest_reading import read_manifest
from madf_jax.evaluation.results import name_results, open_results
from madf_jax.inference.classical import CLASSICAL
from madf_jax.inference.inpaint import any_image
from madf_jax.metrics.metric import METRICS
from tests.evaluation.manifests import save_images, save_mask, write

COUNT = 1000
PSNR = {"psnr": METRICS["psnr"]}


@pytest.fixture
def logged(caplog):
    caplog.set_level(std_logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


def make_root(root, count):
    save_images(root / "images", [f"{i:04}.png" for i in range(count)])
    for i in range(5):
        save_mask(root / "masks" / f"m{i}.png", 3 + i)
    return read_manifest(write(root, masks=root / "masks"))


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    root = tmp_path_factory.mktemp("thousand")
    return make_root(root, COUNT)


@pytest.fixture
def few(tmp_path):
    return make_root(tmp_path, 6)


def examples(manifest, methods):
    return list(Evaluator(manifest_dataset(manifest), 4, LoaderOptions()).run(methods, PSNR))


def save_results(folder, manifest, suffix=".png", fill="telea"):
    """What a classical method makes of a manifest, as another program's files."""
    for example in examples(manifest, {fill: any_image(CLASSICAL[fill])}):
        path = folder / f"{example.id}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(example.painted[fill]).save(path)


def test_each_of_a_thousand_results_that_cannot_be_scored_is_named(thousand, tmp_path, logged):
    rng = np.random.default_rng(0)
    for entry in thousand.entries:
        noise = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{entry.id}.png")

    def path(number, suffix=".png"):
        return tmp_path / f"{number:04}{suffix}"

    image = Image.open(path(0)).convert("RGB")
    missing = range(0, 40)
    for number in missing:
        path(number).unlink()
    path(7, ".gif").write_bytes(b"GIF89a")
    image.save(path(8, ".npy"), "PNG")
    larger, portrait = (900, 901), (902,)
    for number in larger:
        image.resize((32, 32)).save(path(number))
    image.resize((8, 16)).save(path(902))
    path(500).write_bytes(b"not an image")
    path(501).write_bytes(path(502).read_bytes()[:-60])
    image.convert("P").save(path(600))
    image.convert("I;16").save(path(601))
    hole = image.convert("RGBA")
    hole.putpixel((0, 0), (0, 0, 0, 100))
    hole.save(path(602))
    path(603).unlink()
    image.convert("CMYK").save(path(603, ".jpg"))
    path(604).unlink()
    image.save(path(604, ".tif"), save_all=True, append_images=[image])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image.save(path(605), exif=exif)

    with pytest.raises(UserError) as error:
        open_results({"theirs": tmp_path}, thousand)
    counted = "40 missing, 6 of another format, 3 of another size, 2 unreadable"
    assert f"51 of 1000 results can't be scored: {counted}; each is named above" in str(error.value)
    lines = "\n".join(logged())
    wrong = [*missing, *larger, *portrait, 500, 501, *range(600, 606)]
    named = {int(n) for n in re.findall(r"^--results=\S+: (\d{4}): ", lines, re.MULTILINE)}
    assert named == set(wrong)
    assert "0007: there is no result, only 0007.gif" in lines
    assert "0008: there is no result, only 0008.npy" in lines
    assert "0900.png: is 32x32 pixels, not 16x16" in lines
    assert "0902.png: is 8x16 pixels, not 16x16" in lines
    assert "0500.png: not a JPEG" in lines and "0501.png: broken or truncated" in lines
    assert "0600.png: has pixels of the kind P; save it as 8-bit RGB" in lines
    assert "0601.png: has pixels of the kind I;16" in lines
    assert "0602.png: is transparent" in lines and "0603.jpg: has pixels of the kind CMYK" in lines
    assert "0604.tif: has several frames" in lines
    assert "0605.png: has an EXIF orientation" in lines


def test_good_results_get_the_scores_of_the_method_that_made_them(few, tmp_path, logged):
    save_results(tmp_path / "results", few, ".bmp")
    stored = open_results({"theirs": tmp_path / "results"}, few)
    found = examples(few, {**stored, "telea": any_image(CLASSICAL["telea"])})
    assert [e.id for e in found] == [entry.id for entry in few.entries]
    assert all(e.scores["theirs"] == e.scores["telea"] for e in found)
    stored["theirs"].warn("theirs")
    assert not stored["theirs"].far
    assert not [line for line in logged() if "results" in line]


def test_results_of_other_images_are_reported(few, tmp_path, logged):
    """Their sizes and formats are right, so that nothing but their pixels gives them away."""
    folder = tmp_path / "results"
    save_results(folder, few)
    (folder / "0001.png").rename(folder / "x.png")
    (folder / "0002.png").rename(folder / "0001.png")
    (folder / "x.png").rename(folder / "0002.png")
    stored = open_results({"theirs": folder}, few)
    examples(few, stored)
    assert stored["theirs"].far.keys() == {"0001", "0002"}
    stored["theirs"].warn("theirs")
    (line,) = [line for line in logged() if "are they of other images or masks?" in line]
    assert line.startswith("theirs: 2 results differ") and "0001 (" in line and "0002 (" in line


def test_files_for_no_example_are_reported(few, tmp_path, logged):
    folder = tmp_path / "results"
    save_results(folder, few)
    Image.new("RGB", (16, 16)).save(folder / "0006.png")
    open_results({"theirs": folder}, few)
    assert any(
        "1 file there named like no example of the manifest: 0006.png" in s for s in logged()
    )
    (folder / "0001.png").rename(folder / "1.png")
    with pytest.raises(UserError, match=r"1 missing; .* 2 files there named like no .*: .*1\.png"):
        open_results({"theirs": folder}, few)


@pytest.mark.parametrize(
    ("suffix", "what"), [(".jpg", "JPEG files, whose compression"), (".png", "gray")]
)
def test_results_scored_with_a_reservation_are_reported(few, tmp_path, logged, suffix, what):
    for entry in few.entries:
        mode = "L" if suffix == ".png" else "RGB"
        Image.new(mode, (16, 16)).save(tmp_path / f"{entry.id}{suffix}")
    open_results({"theirs": tmp_path}, few)
    assert any(f"6 results are {what}" in line for line in logged())


def test_opaque_alpha_is_no_reason_to_refuse(few, tmp_path):
    for entry in few.entries:
        Image.new("RGBA", (16, 16), (9, 9, 9, 255)).save(tmp_path / f"{entry.id}.png")
    (example, *_) = examples(few, open_results({"theirs": tmp_path}, few))
    assert (example.painted["theirs"] == 9).all()


def test_results_need_a_manifest(tmp_path):
    assert open_results({}, None) == {}
    with pytest.raises(UserError, match=r"--results needs --manifest, the file that says which"):
        open_results({"theirs": tmp_path}, None)


def test_methods_are_called_by_their_names_or_those_of_their_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = name_results(["LaMa=out/lama", "runs/co-mod", "./a=b", "x/y=z", "."])
    assert {name: str(path) for name, path in named.items()} == {
        "LaMa": "out/lama",
        "co-mod": "runs/co-mod",
        "a=b": "a=b",
        "y=z": "x/y=z",
        tmp_path.name: ".",
    }


@pytest.mark.parametrize("given", [["a/x", "b/x"], ["madf=a"], ["out/telea"]])
def test_two_methods_of_one_name_are_refused(given):
    with pytest.raises(UserError, match=r"there is another method .*--results=NAME=DIR"):
        name_results(given)
