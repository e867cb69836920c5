"""Which action each control of the page runs."""

import functools
import html
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from madf_jax.errors import UserError
from madf_jax.inference.inpainter import Inpainter
from madf_jax.web.actions import OpenImage, open_image, open_mask, paint
from madf_jax.web.layout import NO_RESULT, TITLE, Controls, lay_out

_LONGEST_QUEUE = 20
_SWEEP, _KEPT = 600, 3600  # seconds between deletions, and that a file is kept at least

# Run in the browser, with what painter.js defines.
_OPEN = "(preview) => painter.open(preview.url)"
_LOAD = "(mask) => painter.load(mask)"
_FILL = "(image) => { painter.show('summary'); return [image, painter.mask()]; }"
_DONE = "() => setTimeout(() => painter.show('download'), 300)"  # ms, until it is there


def build_page(inpainter: Inpainter, directory: Path) -> gr.Blocks:
    """Makes the page.

    Args:
        inpainter: that fills.
        directory: where Gradio keeps what people upload; results are written there, too.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(_SWEEP, _KEPT)) as page:
        _connect(lay_out(), _Events(inpainter, directory))
    return page.queue(max_size=_LONGEST_QUEUE)


class _Events:
    """What the server does, with what the page shows then: values in the order of outputs."""

    def __init__(self, inpainter: Inpainter, directory: Path) -> None:
        self._inpainter = inpainter
        self._directory = directory
        self._folder = re.compile(re.escape(f"{directory}/") + r"[^/\s]+/")

    def open_image(self, path: str) -> list[Any]:
        image = open_image(Path(path), self._new_directory())
        return [image, str(image.preview), *_no_result()]

    def open_mask(self, image: OpenImage, path: str) -> str:
        mask, remarks = open_mask(Path(path), image)
        for remark in remarks:
            fact = remark.partition(", since hole=")[0]  # an option that the page does not have
            gr.Info(f"The mask {fact}. If the wrong part is marked, press Invert.")
        return mask

    def fill(self, image: OpenImage, mask: str) -> list[Any]:
        done = paint(self._inpainter, image, mask, self._new_directory())
        return [
            (str(image.preview), str(done.preview)),
            f"Filled in {done.seconds:.1f} s. Left of the handle: before; right: after.",
            gr.update(value=str(done.image), visible=True),
            gr.update(value=str(done.mask), visible=True),
        ]

    def start_again(self) -> list[Any]:
        return [None, None, *_no_result()]

    def checked(self, action: Callable[..., Any]) -> Callable[..., Any]:
        """Shows a user's mistake as one line, which knows files by their names only."""

        @functools.wraps(action)
        def shown(*arguments: Any) -> Any:
            try:
                return action(*arguments)
            except UserError as error:
                line = html.escape(self._folder.sub("", str(error)), quote=False)
                raise gr.Error(line, print_exception=False) from None

        return shown

    def _new_directory(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._directory))


def _connect(page: Controls, events: _Events) -> None:
    result = [page.slider, page.summary, page.download, page.download_mask]
    opening = page.file.upload(
        events.checked(events.open_image),
        page.file,
        [page.image, page.preview, *result],
        show_progress="minimal",
        show_progress_on=page.file,
    )
    opening.success(js=_OPEN, inputs=page.preview)
    opening.failure(lambda: None, outputs=page.file)
    page.mask_file.upload(
        events.checked(events.open_mask),
        [page.image, page.mask_file],
        page.mask,
        show_progress="hidden",
    ).success(js=_LOAD, inputs=page.mask)
    page.fill.click(
        events.checked(events.fill),
        [page.image, page.mask],
        result,
        js=_FILL,
        concurrency_limit=1,
        show_progress_on=page.slider,
    ).success(js=_DONE)
    page.other.click(
        events.start_again,
        outputs=[page.image, page.file, *result],
        js="() => painter.close()",
        show_progress="hidden",
    )


def _no_result() -> list[Any]:
    return [None, NO_RESULT, gr.update(visible=False), gr.update(visible=False)]
