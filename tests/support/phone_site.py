"""Serves the bundle of the web phone as an operator would: files, with the headers that docs/web-phone.md asks for."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class _Handler(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def guess_type(self, path: object) -> str:
        return "application/manifest+json" if str(path).endswith(".webmanifest") else super().guess_type(str(path))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's word
        """Say nothing: the tests look at the browser."""


class PhoneSite:
    """One origin on this computer. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def origin(self) -> str:
        """Give the origin as a browser writes it."""
        return f"http://localhost:{self._server.server_address[1]}"

    def __enter__(self) -> PhoneSite:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
