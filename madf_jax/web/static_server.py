"""The exported page on this machine, by the standard library's server."""

from __future__ import annotations

import functools
import http.server
import signal
import socket
from pathlib import Path
from typing import Any, NoReturn

from madf_jax.terminal import terminate
from madf_jax.web.server import address_of


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, with headers that let the page use several threads."""

    extensions_map = {  # noqa: RUF012 - as the base class has it
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        """Browsers share memory between threads only in a page that is isolated from others."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of requests."""


class _Server(http.server.ThreadingHTTPServer):
    """A server on a socket that listens already; its threads end with the process."""

    def __init__(self, listening: socket.socket, folder: Path) -> None:
        handler = functools.partial(_Files, directory=str(folder))
        super().__init__(listening.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening


def serve_folder(folder: Path, listening: socket.socket) -> NoReturn:
    """Serves a folder until the process is interrupted or terminated.

    Args:
        folder: with an `index.html`.
        listening: what `listen` gave.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after SIGTERM.
    """
    signal.signal(signal.SIGTERM, terminate)
    with _Server(listening, folder) as server:
        print(f"Ready: {address_of(listening)} (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    raise KeyboardInterrupt
