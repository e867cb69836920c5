"""The page as a reader's browser takes it: parsed, not searched for strings."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from madf_jax.evaluation.evaluator import Example
from madf_jax.evaluation.page.document import make_page
from madf_jax.evaluation.page.images import GAIN, LONGEST
from madf_jax.evaluation.ranking import Shown
from madf_jax.evaluation.scored import Scored
from tests.evaluation.reports import make_report

EVIL = "<script>alert(1)</script>\"'&amp;\u202e\x00\n\udcff$x$"
SAFE = "<script>alert(1)</script>\"'&amp;\\u202e\\x00\\n\\udcff$x$"


class Page(HTMLParser):
    """Tags with attributes, and the text of each kind of element."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("br", "meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    def rows(self):
        """Rows of tables are not nested, so their number is that of the tag."""
        return sum(tag == "tr" for tag, _ in self.tags)


def shown(size=8, method="madf", name="a.png"):
    image = np.full((size, size, 3), 100, np.uint8)
    painted = {method: np.full_like(image, 120)}
    mask = np.zeros((size, size, 1), np.uint8)
    example = Example(0, "0", name, name, image, mask, painted, painted, {})
    return Shown(example, Scored(0, "0", name, name, 0.25, {method: {"psnr": 21.5, "l1": 1.25}}))


def page(report=None, examples=None):
    return make_page(report or make_report(), examples or {}, "psnr")


@pytest.fixture(scope="module")
def parsed():
    return Page(page(examples={"best": [shown()], "worst": [shown(size=2 * LONGEST)]}))


def test_nothing_outside_of_the_page_is_loaded_or_run(parsed):
    loading = ("src", "href", "action", "data", "poster", "background", "srcset")
    loaded = [(a[key] or "") for _, a in parsed.tags for key in loading if key in a]
    assert loaded
    # Within the page: images in it, and marks that curves draw again.
    assert all(place.startswith(("data:image/jpeg;base64,", "#")) for place in loaded)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {t for t, _ in parsed.tags}
    assert not [key for _, attributes in parsed.tags for key in attributes if key.startswith("on")]
    policies = [a["content"] for tag, a in parsed.tags if tag == "meta" and "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_styles_load_nothing():
    text = page()
    assert "@import" not in text
    assert text.count("url(") == text.count("url(#")


def test_any_name_is_text_and_nothing_else():
    plain = page(make_report(("madf", "b")), {"best": [shown()]})
    report = make_report((EVIL, "b"), command=EVIL, weights_file=EVIL)
    text = page(report, {"best": [shown(method=EVIL, name=EVIL)]})
    text.encode()
    found = Page(text)
    assert {tag for tag, _ in found.tags} == {tag for tag, _ in Page(plain).tags}
    assert "script" not in {tag for tag, _ in found.tags}
    assert found.text.count(SAFE) > 10  # in tables, the legend, captions and the command
    assert not {"\u202e", "\x00"} & set(text)


def test_every_group_has_its_row_with_its_count(parsed):
    # Summary: 2 methods; 3 metrics by 3 groups; 1 comparison of 2 metrics; a head for each table.
    assert parsed.rows() == (2 + 1) + 3 * (3 + 1) + (2 + 1)
    for title in ("all images", "1–10 %", "10–20 %"):
        assert title in parsed.texts
    assert "Inpainting of 4 images" in parsed.texts
    assert "20–30 %" not in parsed.texts


def test_numbers_are_means_with_their_uncertainty():
    texts = Page(page()).text
    # madf, all images: 20, 21, 22 and 23 dB; standard deviation 1.29 over the root of 4.
    assert "21.50 ± 0.65" in texts
    # One image has a mean alone, and so has a set.
    assert "20.00 ±" not in texts and "10.00 ±" not in texts and "10.00" in texts


def test_curves_have_a_drawing_for_each_metric_with_the_method_of_each_mark(parsed):
    assert sum(tag == "svg" for tag, _ in parsed.tags) == 3
    assert {"●", "■", " madf", " telea"} <= set(parsed.texts)


def test_without_a_bucket_there_are_tables_and_no_curves():
    found = Page(page(make_report(shares=(0.7, 0.8))))
    assert "svg" not in {tag for tag, _ in found.tags}
    assert "all images" in found.texts


def test_images_are_small_and_show_what_was_scored(parsed):
    sources = [attributes["src"] for tag, attributes in parsed.tags if tag == "img"]
    assert len(sources) == 2 * 4
    images = [decode(source) for source in sources]
    assert [image.size[0] for image in images] == [8] * 4 + [LONGEST] * 4
    levels = [np.asarray(image).mean() for image in images[:4]]
    np.testing.assert_allclose(levels, [128, 120, 100, 20 * GAIN], atol=2)
    assert "a.png, mask a.png, hole 25.0 %: PSNR dB 21.5, L1 % 1.25" in parsed.texts


def decode(source):
    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))


def test_what_is_left_out_or_doubtful_is_said():
    changes = {"identical": {"madf": 0, "telea": 1}, "left_out": ["FID clean"]}
    texts = Page(page(make_report(far_results={"telea": {"a": 30.0}}, **changes))).texts
    assert any(text.startswith("telea: 1 image equal") for text in texts)
    assert any(text.startswith("telea: 1 image differ") for text in texts)
    assert "Left out, for want of Inception weights: FID clean." in texts
    assert not any(text.startswith("madf: 0") for text in texts)


def test_what_it_takes_to_repeat_it_is_there():
    manifest = {"sha256": "abc1" * 16, "crop": "squash", "generator": "", "hole": "black"}
    texts = Page(page(make_report(manifest=manifest, inception="1ce9" * 16))).texts
    for fact in ("python eval.py --workdir=run", "madf-jax 1.2.3", "at step 7 (averaged weights)"):
        assert fact in texts
    assert {"abc1" * 16, "5eed" * 16, "1ce9" * 16, "1 x cpu"} <= set(texts)
    assert "mask generator" not in texts


def test_the_same_report_is_the_same_page():
    assert page() == page()
