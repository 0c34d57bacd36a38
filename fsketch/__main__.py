"""fsketch COMMAND ...: the front door of all programs; `python -m fsketch` is the same.

A command's module is imported when it is called, after `startup.prepare`.
"""

import difflib
import importlib
import sys
from collections.abc import Callable, Sequence

import fsketch
from fsketch.core import errors, logs, startup

# command -> (module:function, what it does)
COMMANDS = {
    "train": ("programs:train", "train, or go on after an interruption; evaluates at the end"),
    "evaluate": ("programs:evaluate", "score a run's checkpoint on the test pairs"),
    "prepare": ("programs:prepare", "build or check a data set; the stages before a training"),
    "sketch": ("own_photos:sketch", "sketches of the faces in photos"),
    "photo": ("own_photos:photo", "photos of the faces in sketches"),
    "models": ("models:main", "the models that ship, with their cards"),
    "synthesize": ("synthesize:main", "sketches of photos, or photos of sketches, by a run"),
    "score": ("score:main", "score folders of images by a named protocol"),
    "study": (
        "scoring.study.program:main",
        "people choose between methods: a page, statistics",
    ),
    "export": ("export.program:main", "a run as a file for other runtimes: ONNX, StableHLO"),
    "demo": ("demo.program:main", "own photos in a browser: a page served on this machine"),
    "report": ("report.program:main", "compare runs; `report seeds`, `report ifrp`: tables"),
    "convert": ("convert.program:main", "published weights to *.safetensors"),
    "verify": ("verify_faces:main", "face verification on published sets or your own pairs"),
    "benchmark": ("benchmark:main", "time and memory of a training step on this machine"),
    "tpu-check": ("tpu.check:main", "what a TPU makes of an experiment, by its compiler"),
    "styles": ("styles:main", "rank style images by their distance from faces"),
}

_EVERYWHERE = """Every command takes --help, and --verbosity=1 for the traceback of an error.
Exit codes: 0 done, 1 something went wrong, 2 called in a wrong way, 130 Ctrl-C."""


def usage() -> str:
    """The text of --help."""
    lines = [f"  {name:<11} {what}" for name, (_, what) in COMMANDS.items()]
    head = "usage: fsketch COMMAND ...   (or --version)"
    return "\n".join([head, "", *lines, "", _EVERYWHERE])


def program(command: str) -> Callable[[Sequence[str]], int | None]:
    """The function behind a command."""
    module, _, function = COMMANDS[command][0].partition(":")
    return getattr(importlib.import_module(f"fsketch.{module}"), function)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["--version"]:
        print(f"fsketch {fsketch.__version__}")
        return 0
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else 2
    command, *rest = words
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        expected = ", ".join(COMMANDS)
        print(f"fsketch: expected one of {expected}, got {command}{hint}", file=sys.stderr)
        return 2
    verbose = "--verbosity=1" in rest
    rest = [word for word in rest if not word.startswith("--verbosity=")]
    startup.prepare()  # before jax is imported
    logs.to_terminal()
    # Imported inside: what is not installed is said as any other error.
    return errors.run(lambda given: program(command)(given), rest, verbose=verbose)


if __name__ == "__main__":
    sys.exit(main())
