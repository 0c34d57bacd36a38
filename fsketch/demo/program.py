"""fsketch demo

Serves the page (docs/page.md) to browsers of this machine, prints its address, ends with Ctrl-C.
Photos stay in the browser: this program only hands out the page's files.
"""

import argparse
import pathlib
import tempfile
import webbrowser
from collections.abc import Sequence

from fsketch.core import arguments, errors
from fsketch.demo import models, pages, serve, vendor

PORT = 8642


def parser() -> arguments.Parser:
    """The command line."""
    result = arguments.Parser("demo", description="Serve the page: own photos in a browser.")
    add = result.add_argument
    result.several(
        "--model", commas=True, metavar="NAME",
        help="models of the page, the first one first; default: all of `fsketch models`",
    )  # fmt: skip
    result.path("--workdir", default="", metavar="RUN", help="a run, in place of models")
    result.path("--zoo", default="", metavar="DIR", help="a folder of more models")
    result.path(
        "--runtime", default="", metavar="FILE", help=f"{vendor.PACKAGE} as a .tgz or a folder"
    )
    add("--port", type=int, default=PORT, help="0: any that is free (default: %(default)s)")
    add("--open", action="store_true", help="open it in the browser")
    return result


def run(flags: argparse.Namespace) -> None:
    """`fsketch export --format=page`: writes the page into flags.out, a new or empty folder."""
    folder = pathlib.Path(flags.out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise errors.UsageError(f"OUT: {folder}: expected a new or empty folder, got another")
    write(folder, flags)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size:,} bytes; any web server can serve it")


def write(folder: pathlib.Path, flags: argparse.Namespace) -> None:
    """Writes the page of flags.workdir, or of the models flags.model, or of all models."""
    if flags.workdir and flags.model:
        raise errors.UsageError("--model: expected no --workdir beside it, got both")
    runtime = vendor.runtime(flags.runtime)
    found = models.of_run(flags.workdir) if flags.workdir else models.of_zoo(flags.model, flags.zoo)
    pages.write(folder, found, finder=models.finder(), runtime=runtime)


def main(words: Sequence[str]) -> None:
    """Serves until Ctrl-C."""
    flags = parser().parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        server = serve.server(pathlib.Path(folder), port=flags.port)
        write(pathlib.Path(folder), flags)
        address = serve.address(server)
        print(f"{address}   (Ctrl-C ends it)", flush=True)
        if flags.open:
            webbrowser.open(address)
        server.serve_forever()
