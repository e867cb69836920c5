"""HTML as a tree of elements, whose text is escaped wherever it comes from when it is written."""

import io
from collections.abc import Iterable
from xml.etree import ElementTree

from madf_jax.errors import escape

Element = ElementTree.Element
Child = Element | str


def element(tag: str, *children: Child, **attributes: str) -> Element:
    """An element with its children in order.

    Args:
        tag: its name.
        children: elements and text; the characters of text that no page can hold are escaped.
        attributes: by name, `class_` for `class` and `aria_label` for `aria-label`.
    """
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    made = Element(tag, {names[name]: escape(value) for name, value in attributes.items()})
    for child in children:
        if not isinstance(child, str):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + escape(child)
        else:
            made.text = (made.text or "") + escape(child)
    return made


def table(head: Iterable[Child], rows: Iterable[Iterable[Child]], caption: str) -> Element:
    """A table that can be scrolled sideways where it is wider than the screen.

    Args:
        head: cells of the first row.
        rows: cells of each other row, whose first one heads it.
        caption: what it shows.
    """
    header = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = []
    for first, *others in rows:
        cells = (element("td", cell) for cell in others)
        body.append(element("tr", element("th", first, scope="row"), *cells))
    made = element(
        "table",
        element("caption", caption),
        element("thead", header),
        element("tbody", *body),
    )
    # Focusable, so that a keyboard can scroll it.
    return element("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def parse_svg(text: str) -> Element:
    """A drawing as an element of a page: without namespaces, which HTML knows, and metadata.

    Args:
        text: an SVG document that this program has made.
    """
    root = ElementTree.fromstring(text)
    for parent in root.iter():
        parent.tag = _local(parent.tag)
        parent.attrib = {_local(name): value for name, value in parent.attrib.items()}
        for child in [child for child in parent if _local(child.tag) == "metadata"]:
            parent.remove(child)
    return root


def to_html(root: Element) -> str:
    """The text of a page."""
    text = io.StringIO()
    ElementTree.ElementTree(root).write(text, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{text.getvalue()}\n"


def _local(name: str) -> str:
    return name.rpartition("}")[2]
