"""Where log records go: warnings of this package to the terminal, everything to a run's log.txt.

Libraries under us (jax, orbax, tensorflow_datasets) speak to the log file alone, and so do
exceptions in their threads: what went wrong is raised in the main thread, and said there once.
"""

import contextlib
import logging
import os
import pathlib
import sys
import threading
import types
from collections.abc import Iterator

import tqdm
from absl import logging as absl_logging

from fsketch.core import progress

FILE = "log.txt"
_PACKAGE = str(pathlib.Path(__file__).parents[1])
_FORMAT = "%(asctime)s %(levelname).1s %(name)s: %(message)s"


def to_terminal() -> None:
    """Takes over the logging of this process; called once, by a program."""
    absl_logging.set_verbosity(absl_logging.INFO)
    logging.captureWarnings(True)
    threading.excepthook = lambda found: _log(found.exc_type, found.exc_value, found.exc_traceback)
    # tensorstore has threads that are not Python's; their exceptions come here.
    sys.unraisablehook = lambda found: _log(found.exc_type, found.exc_value, found.exc_traceback)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.handlers = [_Terminal()]


@contextlib.contextmanager
def to_file(path: str | os.PathLike, command: str) -> Iterator[None]:
    """A context in which records, and the exception that ends it, are appended to a file.

    command: its first line.
    """
    handler = _File(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        logging.getLogger(progress.SAID).info("$ %s", command)
        yield
    except BaseException:
        logging.getLogger(progress.SAID).exception("ended by")
        raise
    finally:
        root.removeHandler(handler)
        handler.close()


class _Terminal(logging.Handler):
    """Warnings of this package, above a bar that may be shown."""

    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.pathname.startswith(_PACKAGE) and record.name != progress.SAID
        return ours and record.levelno >= logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.tqdm.write(f"{record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


class _File(logging.FileHandler):
    """A file whose disk may be full: the program's own writes say so, records are lost."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


def _log(
    kind: type[BaseException], error: BaseException | None, trace: types.TracebackType | None
) -> None:
    logging.getLogger(progress.SAID).error("in a thread", exc_info=(kind, error, trace))
