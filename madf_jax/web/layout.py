"""What stands where on the page."""

import dataclasses
from pathlib import Path

import gradio as gr

from madf_jax.data.decoding import EXTENSIONS
from madf_jax.web.actions import MAX_MEGABYTES, MAX_MEGAPIXELS

TITLE = "Repair an image"
NO_RESULT = "The result appears here."
# The painter marks its canvas while an image is open.
STYLE = """
#work:not(:has(canvas[data-open])), body:has(canvas[data-open]) #start { display: none; }
"""

_INTRODUCTION = f"""# {TITLE}
Open an image, paint over what should disappear, a little beyond its edges, and press **Fill**."""
_LIMITS = f"""JPEG, PNG, WebP, TIFF or BMP, up to {MAX_MEGABYTES} MB and {MAX_MEGAPIXELS}
megapixels. It stays on this server, and is deleted after an hour."""


@dataclasses.dataclass(frozen=True)
class Controls:
    """The parts of the page that something is done with.

    Attributes:
        file: takes the image.
        fill: the button that fills what is marked.
        mask_file: takes a mask.
        other: the button that leads back to the start.
        slider: before and after.
        summary: of the result.
        download: the result.
        download_mask: its mask.
        image: what was opened, on the server.
        preview: the file of its preview, for the painter.
        mask: a mask on its way to or from the painter, as a data URL.
    """

    file: gr.File
    fill: gr.Button
    mask_file: gr.UploadButton
    other: gr.Button
    slider: gr.ImageSlider
    summary: gr.Markdown
    download: gr.DownloadButton
    download_mask: gr.DownloadButton
    image: gr.State
    preview: gr.Image
    mask: gr.Textbox


def lay_out() -> Controls:
    """Adds everything to the `gr.Blocks` that is open."""
    gr.Markdown(_INTRODUCTION)
    types = list(EXTENSIONS)
    with gr.Column(elem_id="start"):
        file = gr.File(label="Image", file_types=types, height=320, elem_id="image")
        gr.Markdown(_LIMITS)
    with gr.Row(elem_id="work"):
        with gr.Column():
            _add_painter()
            fill = gr.Button("Fill", variant="primary", elem_id="fill")
            with gr.Row():
                mask_file = gr.UploadButton(
                    "Open a mask", file_types=types, size="sm", min_width=140
                )
                other = gr.Button("Open another image", size="sm", min_width=140)
        with gr.Column():
            slider = gr.ImageSlider(
                label="Before and after",
                buttons=["fullscreen"],
                interactive=False,
                elem_id="before-after",
            )
            summary = gr.Markdown(NO_RESULT, elem_id="summary")
            download = gr.DownloadButton(
                "Download", variant="primary", visible=False, elem_id="download"
            )
            download_mask = gr.DownloadButton(
                "Download the mask", size="sm", visible=False, elem_id="download-mask"
            )
    return Controls(
        file=file,
        fill=fill,
        mask_file=mask_file,
        other=other,
        slider=slider,
        summary=summary,
        download=download,
        download_mask=download_mask,
        image=gr.State(),
        preview=gr.Image(visible=False, type="filepath"),
        mask=gr.Textbox(visible=False),
    )


def _add_painter() -> None:
    gr.HTML(
        html_template=_source("painter.html"),
        css_template=_source("painter.css"),
        js_on_load=_source("painter.js"),
        apply_default_css=False,
        elem_id="painter",
    )


def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
