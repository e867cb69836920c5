"""What people do at either page: draw on its canvas, and take what it gives."""

import dataclasses

import numpy as np
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Canvas:
    """The canvas that marks are drawn on.

    Places are shares of its width and height.
    """

    selector: str

    def place(self, page, x, y):
        """A place in pixels of the window."""
        page.locator(self.selector).scroll_into_view_if_needed()
        box = page.locator(self.selector).bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def stroke(self, page, *places):
        """Draws with the mouse."""
        page.mouse.move(*self.place(page, *places[0]))
        page.mouse.down()
        for to in places[1:]:
            page.mouse.move(*self.place(page, *to), steps=5)
        page.mouse.up()

    def swipe(self, page, *places):
        """Draws with a finger."""
        finger = page.context.new_cdp_session(page)
        points = [self.place(page, *to) for to in places]
        moves = [("touchMove", [to]) for to in points]
        for kind, at in [("touchStart", points[:1]), *moves, ("touchEnd", [])]:
            touches = [{"x": x, "y": y} for x, y in at]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def assert_a_finger_marks(self, page, screen):
        """On a screen so many pixels wide, which the page must fit."""
        assert page.evaluate("document.documentElement.scrollWidth") <= screen
        self.swipe(page, *((share, 0.5) for share in (0.3, 0.4, 0.5, 0.6)))
        marked = self.marked(page)
        columns = np.nonzero(marked)[1] / marked.shape[1]
        assert columns.min() < 0.35 and columns.max() > 0.55

    def marked(self, page):
        """What is marked, (H, W), bool."""
        height, width, *alpha = page.evaluate(
            """(selector) => {
              const canvas = document.querySelector(selector);
              const { width, height } = canvas;
              const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
              return [height, width, ...pixels.filter((_, index) => index % 4 === 3)];
            }""",
            self.selector,
        )
        return np.array(alpha, np.uint8).reshape(height, width) > 127


def download(page, button, folder):
    """The file that a button gives."""
    with page.expect_download() as found:
        page.click(button)
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def pixels(path):
    """Of an image file."""
    with Image.open(path) as image:
        return np.asarray(image)
