"""fsketch convert NAME FILE OUT: published weights -> our *.safetensors.

Checks that every key is used once or declared unused, every parameter filled, every shape right
and every number finite; the file's SHA-256 is kept in the result.
"""

import argparse
import hashlib
import pathlib
from collections.abc import Sequence

import safetensors
from flax import traverse_util

from fsketch.convert import files, published
from fsketch.core import arguments


def convert(name: str, path: str, out: str) -> str:
    """Converts the published file at `path`, a key of `published.WEIGHTS`; returns its SHA-256.

    Raises ValueError for a file that does not fit, and for an `out` that is not a *.safetensors
    file or is the published one.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    arrays = files.read_arrays(path)
    target = pathlib.Path(out)
    if target.suffix != ".safetensors" or target.is_dir():
        raise ValueError(f"OUT: expected a file *.safetensors, got {out}")
    if target.exists() and target.samefile(path):
        raise ValueError(f"OUT: expected another file than the published one, got {out}")
    try:
        params = published.convert(name, arrays)
    except ValueError as error:
        raise ValueError(f"{path} as {name}:\n{error}") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write(
        out,
        traverse_util.unflatten_dict(params, sep="/"),
        net=name,
        source=pathlib.Path(path).name,
        sha256=digest,
    )
    return digest


def main(words: Sequence[str]) -> int:
    """The exit code 0; raises OSError and ValueError for files that do not fit."""
    known = "\n".join(
        f"  {name:16} {form.file} of {form.project}"
        for name, weights in published.WEIGHTS.items()
        for form in (weights, *weights.others)
    )
    parser = arguments.Parser(
        "convert",
        description=__doc__,
        epilog=f"published files by name:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=published.WEIGHTS, metavar="NAME", help="see below")
    parser.path(
        "file",
        metavar="FILE",
        help="the published weights: pth, pt, npz, safetensors, caffemodel, onnx or pkl",
    )
    parser.path("out", metavar="OUT", help="where to write (*.safetensors)")
    given = parser.parse_args(words)
    try:
        digest = convert(given.name, given.file, given.out)
    except FileNotFoundError as error:
        error.add_note(published.advice(given.name, given.out))
        raise
    except safetensors.SafetensorError as error:
        raise ValueError(f"{given.file}: {error}") from error
    print(f"{given.out}: {given.name} from {given.file} (SHA-256 {digest})")
    return 0
