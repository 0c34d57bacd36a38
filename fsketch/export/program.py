"""fsketch export --workdir=RUN --direction=to_sketch --format=onnx OUT
fsketch export --model=NAME --format=onnx OUT

Writes a translator as a file for other runtimes.  Formats:

    onnx       fsketch/export/onnx_file.py
    stablehlo  fsketch/export/stablehlo.py
    page       fsketch/demo/program.py: OUT is a folder, a static site that draws; takes
               --workdir or --model, all directions, and of the other flags --runtime only
    zoo        a model of `fsketch models`, of a run: fsketch/zoo/entries.py; OUT is a folder

A page and a model of the zoo have all styles of a net, the other files that of --style.

All but the page are compared with the run first; the differences are printed, and nothing is
written where one is above its bound.  --uint8 makes a file that takes and gives 8-bit images,
--fp16 one whose kernels are stored in 16 bits.
"""

import argparse
import importlib
from collections.abc import Sequence

from fsketch.core import arguments, errors, images
from fsketch.export import zoo_entry

# name -> module with run(flags); imported when it is asked for, as some need optional packages
FORMATS = {
    "onnx": "export.onnx_file",
    "stablehlo": "export.stablehlo",
    "page": "demo.program",
    "zoo": "export.zoo_entry",
}
ALL_STYLES = ("page", "zoo")


def side_pair(text: str) -> tuple[int, int]:
    """Parses HEIGHTxWIDTH in pixels."""
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, e.g. 256x256, got {text!r}")
    return int(parts[0]), int(parts[1])


def parser() -> arguments.Parser:
    """The command line."""
    result = arguments.Parser("export", description="Write a translator for other runtimes.")
    add = result.add_argument
    result.path("--workdir", default="", metavar="RUN", help="the run")
    result.several("--model", commas=True, metavar="NAME", help="in place of a run")
    result.path("--zoo", default="", metavar="DIR", help="a folder of more models")
    add("--direction", choices=images.DIRECTIONS)
    add("--checkpoint", default="best", choices=("best", "latest"))
    add("--style", default="", help="of a run or model that has several; default: its first")
    add("--format", required=True, choices=FORMATS)
    result.path("out", metavar="OUT", help="the file to write")
    add("--uint8", action="store_true", help="8-bit images in and out, not floats in [-1, 1]")
    add("--fp16", action="store_true", help="store kernels in 16 bits; computes in 32")
    add(
        "--size", type=side_pair, metavar="HxW",
        help="of images, where the file has a fixed size; the run's canvas by default",
    )  # fmt: skip
    result.path("--runtime", default="", metavar="FILE", help="of a page: see docs/page.md")
    result.path("--images", default="", metavar="DIR", help="pictures to compare on")
    add("--count", type=int, default=4, help="of them, or of drawn faces; default 4")
    named = result.add_argument_group("of a model of the zoo; --terms of any file")
    for flag, what in zoo_entry.FIELDS.items():
        named.add_argument(f"--{flag}", default="", help=what)
    return result


def main(words: Sequence[str]) -> None:
    """Runs the format."""
    flags = parser().parse_args(words)
    if flags.count < 1:
        raise errors.UsageError(f"--count: expected a whole number from 1, got {flags.count}")
    if flags.style and flags.format in ALL_STYLES:
        raise errors.UsageError(f"--style: expected none for {flags.format}, which has all styles")
    importlib.import_module(f"fsketch.{FORMATS[flags.format]}").run(flags)
