"""What the page's server answers, without Gradio."""

import asyncio

import pytest

from madf_jax.web.server import LocalOnly


def answer(path):
    """The messages that a request for a path is answered with."""
    sent = []

    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"page"})

    async def send(message):
        sent.append(message)

    asyncio.run(LocalOnly(page)({"type": "http", "path": path}, None, send))
    return sent


@pytest.mark.parametrize("path", ["/", "/gradio_api/file=x/http.png", "/a?file=1"])
def test_answers_carry_the_policy(path):
    start, body = answer(path)
    assert (start["status"], body["body"]) == (200, b"page")
    headers = dict(start["headers"])
    assert headers[b"a"] == b"b"
    assert headers[b"content-security-policy"].startswith(b"default-src 'self'")


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/a.png",
        "/gradio_api/file=HTTPS://example.org/a.png",
        "/file= https://example.org/a.png",
        "/gradio_api/proxy=https://example.org/",
    ],
)
def test_nothing_is_fetched_for_a_visitor(path):
    start, body = answer(path)
    assert start["status"] == 403 and "body" not in body
