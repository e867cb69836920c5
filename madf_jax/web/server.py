"""The page's server: this machine only unless another host is named, and nothing from elsewhere."""

import contextlib
import os
import re
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from madf_jax.errors import UserError
from madf_jax.terminal import terminate
from madf_jax.web.actions import MAX_MEGABYTES

if TYPE_CHECKING:
    from madf_jax.inference.inpainter import Inpainter

# Browsers load nothing from other hosts then, whatever a version of Gradio asks for.
_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
# Gradio's server would fetch what such a path names, for whoever asks.
_ELSEWHERE = re.compile(r"/(file|proxy)=\s*https?:", re.IGNORECASE)
_GOODBYE = 1  # second that requests have to end after Ctrl-C


def listen(host: str, port: int) -> socket.socket:
    """Takes a port, which may be 0 for any that is free.

    Raises:
        UserError: it is taken, or the host is none of this machine's.
    """
    name = f"--host={host} --port={port}"
    if not 0 <= port < 2**16:
        raise UserError(f"{name}: the port must be from 0 to {2**16 - 1}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (socket.gaierror, UnicodeError):  # the second for names that are too long
        raise UserError(f"{name}: there is no such host") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UserError(f"{name}: can't be used: {reason}; choose another") from None


def address_of(listening: socket.socket) -> str:
    """The URL of a server."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # all of this machine's
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(inpainter: "Inpainter", listening: socket.socket) -> NoReturn:
    """Serves the page until the process is interrupted or terminated.

    What people upload lies in a temporary directory that is deleted at the end.

    Args:
        inpainter: ready to paint.
        listening: what `listen` gave.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after SIGTERM.
    """
    with tempfile.TemporaryDirectory(prefix="madf_jax_") as directory:
        # Gradio reads both when it is imported.
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": directory}
        import uvicorn

        config = uvicorn.Config(
            _application(inpainter, Path(directory), address_of(listening)),
            log_level="critical",
            timeout_graceful_shutdown=_GOODBYE,
        )
        signal.signal(signal.SIGTERM, terminate)
        uvicorn.Server(config).run(sockets=[listening])
    raise KeyboardInterrupt


def _application(inpainter: "Inpainter", directory: Path, address: str) -> Any:
    import gradio as gr
    from fastapi import FastAPI

    from madf_jax.web.layout import STYLE
    from madf_jax.web.page import build_page

    @contextlib.asynccontextmanager
    async def announcement(_: FastAPI) -> AsyncIterator[None]:
        print(f"Ready: {address} (Ctrl-C ends it)", flush=True)
        yield

    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    app = gr.mount_gradio_app(
        FastAPI(openapi_url=None, lifespan=announcement),
        build_page(inpainter, directory),
        path="",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=MAX_MEGABYTES * 2**20,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        theme=theme,
        css=STYLE,
    )
    return LocalOnly(app)


class LocalOnly:
    """An ASGI application that fetches nothing from other hosts, nor lets a browser do so."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request: with status 403 if it names another host."""

        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY.encode())
                message = {**message, "headers": [*message.get("headers", []), policy]}
            await send(message)

        if _ELSEWHERE.search(scope.get("path", "")):
            await send_with_policy({"type": "http.response.start", "status": 403})
            await send({"type": "http.response.body"})
        else:
            await self._app(scope, receive, send_with_policy)
