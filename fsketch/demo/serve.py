"""Serves a page's folder to browsers of this machine."""

import functools
import http.server
import pathlib
import re

import fsketch.demo

SITE = pathlib.Path(fsketch.demo.__file__).parent / "site"
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]*)"')


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Says the page's own policy in a header too, and writes no log."""

    extensions_map = {  # noqa: RUF012
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", policy())
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing: what is opened on the page is nobody's business."""


@functools.cache
def policy() -> str:
    """The Content-Security-Policy of the page: it loads from its own origin only."""
    return _POLICY.search((SITE / "index.html").read_text())[1]


def server(folder: pathlib.Path, *, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of `folder` on loopback, already listening; port 0: any that is free.

    Raises ValueError for a port that is taken or not allowed.
    """
    handler = functools.partial(_Handler, directory=str(folder))
    try:
        return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"--port: expected a free port (0: any), got {port} ({str(reason).lower()})"
        ) from None


def address(running: http.server.ThreadingHTTPServer) -> str:
    """What to open in a browser."""
    return f"http://127.0.0.1:{running.server_port}/"
